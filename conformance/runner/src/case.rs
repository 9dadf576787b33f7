//! The cases, each on a platform of its own, so that no case can disturb another.

mod arrive;
mod card;
mod credentials;
mod fail;
mod forge;
mod limit;
mod restart;
mod share;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::payload::TYPES;
use crate::peer::{Case as Told, Peer};
use crate::platform::{App, Platform};
use crate::sdk::Sdk;

/// How long an event may take to reach a handler; the first one warms a virtual machine up.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(20);
/// How long a client may take to connect.
pub(crate) const ONLINE: Duration = Duration::from_secs(40);

/// How events reach the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A persistent connection.
    Ws,
    /// A webhook with Encrypt Key and Verification Token.
    Sealed,
    /// A webhook with the Verification Token alone.
    Plain,
}

/// What a case proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Each of the five events arrives as published; one result for each.
    Arrive(Mode),
    /// Three million bytes arrive whole.
    Large(Mode),
    /// A failing handler is pushed again.
    Fail(Mode),
    /// An event nobody handles is answered as this SDK is known to.
    Unknown(Mode),
    /// A card's button is answered.
    Card(Mode),
    /// An old card's button is answered.
    OldCard,
    /// A request with a forged signature reaches no handler.
    Forge,
    /// A client with a wrong App Secret ends.
    Credentials,
    /// The client after the fiftieth is refused; a connection that died makes room.
    Limit,
    /// Two clients share what one app receives.
    Share,
    /// The client is back after the platform restarted.
    Restart,
}

/// One result of a case: what it is about, and how it went.
pub(crate) type Verdicts = Vec<(String, Result<()>)>;

/// What a case runs with.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) sdk: Sdk,
    pub(crate) larkspur: PathBuf,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sealed => "webhook sealed",
            Self::Plain => "webhook plain",
        }
    }
}

impl Case {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 18] = [
        Self::Arrive(Mode::Ws),
        Self::Arrive(Mode::Sealed),
        Self::Arrive(Mode::Plain),
        Self::Large(Mode::Ws),
        Self::Large(Mode::Sealed),
        Self::Fail(Mode::Ws),
        Self::Fail(Mode::Sealed),
        Self::Unknown(Mode::Ws),
        Self::Unknown(Mode::Sealed),
        Self::Card(Mode::Ws),
        Self::Card(Mode::Sealed),
        Self::Card(Mode::Plain),
        Self::OldCard,
        Self::Forge,
        Self::Credentials,
        Self::Limit,
        Self::Share,
        Self::Restart,
    ];

    pub(crate) fn name(self) -> String {
        let (name, mode) = match self {
            Self::Arrive(mode) => ("arrives", Some(mode)),
            Self::Large(mode) => ("3 MB arrive whole", Some(mode)),
            Self::Fail(mode) => ("failing handler is pushed again", Some(mode)),
            Self::Unknown(mode) => ("unknown type", Some(mode)),
            Self::Card(mode) => ("card callback is answered", Some(mode)),
            Self::OldCard => ("old card callback is answered", Some(Mode::Sealed)),
            Self::Forge => ("forged signature reaches no handler", Some(Mode::Sealed)),
            Self::Credentials => ("wrong credentials end the client", Some(Mode::Ws)),
            Self::Limit => ("client 51 is refused, dead ones do not count", Some(Mode::Ws)),
            Self::Share => ("two clients share 200 events", Some(Mode::Ws)),
            Self::Restart => ("back after a restart", Some(Mode::Ws)),
        };
        mode.map_or_else(|| name.to_owned(), |mode| format!("{}: {name}", mode.name()))
    }

    /// The names of its results, in the order of the table.
    pub(crate) fn results(self) -> Vec<String> {
        match self {
            Self::Arrive(mode) => TYPES
                .map(|event_type| format!("{}: {event_type}", mode.name()))
                .to_vec(),
            _ => vec![self.name()],
        }
    }

    /// Whether an SDK has what the case is about.
    pub(crate) fn is_for(self, sdk: &Sdk) -> bool {
        match self {
            Self::Card(_) => sdk.language.answers_callbacks(&sdk.version),
            Self::OldCard => sdk.language.answers_old_cards(),
            _ => true,
        }
    }

    /// Runs the case; an error before any result counts for all of them.
    pub(crate) async fn run(self, bench: &Bench) -> Verdicts {
        let result = match self {
            Self::Arrive(mode) => match arrive::each(bench, mode).await {
                Ok(results) => return self.results().into_iter().zip(results).collect(),
                Err(error) => Err(error),
            },
            Self::Large(mode) => arrive::large(bench, mode).await,
            Self::Fail(mode) => fail::failing(bench, mode).await,
            Self::Unknown(mode) => fail::unknown(bench, mode).await,
            Self::Card(mode) => card::new(bench, mode).await,
            Self::OldCard => card::old(bench).await,
            Self::Forge => forge::run(bench).await,
            Self::Credentials => credentials::run(bench).await,
            Self::Limit => limit::run(bench).await,
            Self::Share => share::run(bench).await,
            Self::Restart => restart::run(bench).await,
        };
        let text = result
            .as_ref()
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        let again = move |name| {
            (
                name,
                if text.is_empty() {
                    Ok(())
                } else {
                    Err(anyhow::anyhow!("{text}"))
                },
            )
        };
        self.results().into_iter().map(again).collect()
    }
}

impl Bench {
    /// A platform and an app on it.
    async fn stage(&self, mode: Mode) -> Result<(Platform, App)> {
        let platform = Platform::start(&self.larkspur).await?;
        let app = platform.app(mode == Mode::Sealed).await?;
        Ok((platform, app))
    }

    /// A subscriber that receives: connected, or with its URL saved.
    async fn subscribe(&self, platform: &Platform, app: &App, told: Told) -> Result<Peer> {
        let (kind, path) = match told.types[..] {
            [card::OLD] => ("callbacks", "card"),
            [card::NEW] => ("callbacks", "event"),
            _ => ("events", "event"),
        };
        let url = format!("http://127.0.0.1:{}/webhook/{path}", told.port);
        let webhook = told.mode == "webhook";
        let peer = Peer::start(&self.sdk, &told).await?;
        let ready = if webhook {
            platform.set_url(app, kind, &url).await
        } else {
            platform.wait_online(app, 1, ONLINE).await
        };
        ready.with_context(|| peer.log())?;
        Ok(peer)
    }

    /// The whole of it, for the common case.
    async fn ready(&self, mode: Mode) -> Result<(Platform, App, Peer)> {
        let (platform, app) = self.stage(mode).await?;
        let told = told(&platform, &app, mode)?;
        let peer = self.subscribe(&platform, &app, told).await?;
        Ok((platform, app, peer))
    }
}

/// What a subscriber of an app is told: all five events, no failure.
fn told(platform: &Platform, app: &App, mode: Mode) -> Result<Told> {
    let webhook = mode != Mode::Ws;
    Ok(Told {
        domain: platform.url().to_owned(),
        app_id: app.app_id.clone(),
        app_secret: app.app_secret.clone(),
        encrypt_key: app.encrypt_key.clone(),
        verification_token: app.verification_token.clone(),
        mode: if webhook { "webhook" } else { "ws" },
        port: if webhook { free_port()? } else { 0 },
        types: TYPES.to_vec(),
        fail_first: 0,
    })
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port())
}
