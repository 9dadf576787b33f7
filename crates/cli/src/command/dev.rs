//! `larkspur dev`: a platform on this machine, with apps made ready, that says what it does.

mod demo;
mod inbox;
mod print;
mod ready;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use larkspur::Router;
use larkspur_platform::Settings;
use larkspur_server::{HostGuard, ServerConfig};
use tokio::net::TcpListener;

use crate::failure::{Exit, Failure};
use crate::home;
use crate::platform::{Platform, listen};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Examples:
  larkspur dev --demo                       see events arrive, with nothing else installed
  larkspur dev                              then paste the line for your SDK, and `larkspur trigger` in another terminal
  larkspur dev --json --port 0              for programs: the first line has the address and the credentials

Ctrl-C ends it; data and credentials stay in the folder. Delete the folder to start anew.";

/// Run a platform on this machine, with three apps made ready, and print what it does.
///
/// It listens on 127.0.0.1 only, keeps its data in `.larkspur/`, and gives the apps the same credentials every time.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Dev {
    /// The port; 0 picks a free one.
    #[arg(long, default_value_t = 7070)]
    port: u16,
    /// The folder for the data.
    #[arg(long, value_name = "DIR", default_value = home::NAME)]
    data_dir: PathBuf,
    /// Publish the events of the official samples in turn, one type every three seconds, to built-in subscribers.
    #[arg(long)]
    demo: bool,
}

/// The tenant of events that name none, and of every app made ready.
const TENANT: &str = "2ca1d211f64f6438";

impl Dev {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let platform = Platform::open(&self.data_dir, settings()).await?;
        let listener = self.listen()?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut file = ready::file(&self.data_dir, url)?;
        let engine = platform.engine.clone();
        let inbox = if self.demo {
            demo::router(*ui, "webhook")
        } else {
            inbox::answering(Router::new().fallback(inbox::take))
        };
        let server = ServerConfig {
            public_url: None,
            guard: HostGuard::Loopback,
            admin_token: Some(file.admin_token.as_str().into()),
            clock: Some(platform.clock.clone()),
            mount: inbox::routes(engine.clone(), inbox),
        };
        let running = platform.serve(listener, None, server);
        let activity = engine.activity();
        ready::apps(&engine, &mut file, &self.data_dir).await?;
        print::ready(ui, &engine, &file);
        let printing = tokio::spawn(print::activity(*ui, activity, self.demo));
        let demo = self
            .demo
            .then(|| tokio::spawn(demo::run(*ui, engine, file, running.stop().clone())));
        let ended = running.until_stopped(ui).await;
        if let Some(demo) = demo {
            demo.await?;
        }
        printing.abort();
        ended
    }

    fn listen(&self) -> Result<TcpListener, Failure> {
        let bound = listen((Ipv4Addr::LOCALHOST, self.port).into());
        let bound = bound.with_context(|| format!("cannot listen on 127.0.0.1:{}", self.port));
        bound.map_err(|error| {
            Failure::new(Exit::Failed, error).with_hint("choose another port with --port, or any with --port 0")
        })
    }
}

/// What differs from a platform for good: changes count at once, a restart is felt for seconds only, endpoints on this
/// machine are fine, and an event needs no tenant.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.apps.publish_at_once = true;
    settings.sessions.reconnect_nonce_seconds = 1;
    settings.sessions.reconnect_interval_seconds = 2;
    settings.delivery.allow_private_addresses = true;
    settings.publish.default_tenant = TENANT.parse().ok();
    settings
}
