//! `larkspur listen`: receives over a persistent connection and prints what comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use larkspur::{App, ConnectError, Domain, Meta, RawEvent, Router, Secret, State, ctrl_c};
use larkspur_catalog::matches;
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::admin::is_loopback;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::home::DevFile;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Examples:
  larkspur listen                                        everything that `larkspur dev` pushes to its first app
  larkspur listen --event 'hire.*' --max-events 1 --timeout 30s
  FEISHU_APP_SECRET=… larkspur listen --app-id cli_… --domain lark | jq .event";

/// Receive events over a persistent connection, and print each as a line of JSON.
///
/// Without credentials it connects to the platform that `larkspur dev` runs. Mind that each event goes to one client of
/// an app only: what this one takes, printed or not, others do not get.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Listen {
    /// The App ID.
    #[arg(long, env = "FEISHU_APP_ID", requires = "app_secret")]
    app_id: Option<String>,
    /// The App Secret.
    #[arg(long, env = "FEISHU_APP_SECRET", hide_env_values = true)]
    app_secret: Option<String>,
    /// Where the platform is: `feishu`, `lark`, or an address such as <http://127.0.0.1:7070>.
    #[arg(long, env = "FEISHU_BASE_URL")]
    domain: Option<String>,
    /// Print only events whose type matches; `*` stands for any characters.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    event: String,
    /// Stop after this many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_events: Option<u64>,
    /// Stop after this long; exit code 5 when --max-events were not reached, 4 when no connection was.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
}

/// Why it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Done,
    Asked,
    Late,
}

#[derive(Clone)]
struct Printer {
    ui: Ui,
    pattern: Arc<str>,
    left: Option<Arc<AtomicU64>>,
    done: CancellationToken,
}

/// An event that is not printed although it should be fails here, so that the platform pushes it to somebody else.
async fn print(RawEvent(event): RawEvent, meta: Meta, State(printer): State<Printer>) -> io::Result<()> {
    if !matches(&printer.pattern, &meta.event_type) {
        return Ok(());
    }
    if let Some(left) = &printer.left {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match before {
            Err(_) => return Err(io::Error::other("enough events were printed")),
            Ok(1) => printer.done.cancel(),
            Ok(_) => {}
        }
    }
    let line = json!({
        "event_id": meta.event_id, "event_type": meta.event_type, "tenant_key": meta.tenant_key, "app_id": meta.app_id,
        "create_time": meta.create_time, "event": event,
    });
    printer
        .ui
        .hand_over(&line, || line.to_string())
        .inspect_err(|_| printer.done.cancel())
}

impl Listen {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let app = self.app()?;
        let done = CancellationToken::new();
        let left = self.max_events.map(|left| Arc::new(AtomicU64::new(left)));
        let printer = Printer {
            ui: *ui,
            pattern: self.event.as_str().into(),
            left: left.clone(),
            done: done.clone(),
        };
        let router = Router::new().fallback(print).with_state(printer);
        // Before anybody is told that a signal ends it.
        let asked = ctrl_c();
        ui.note(&format!("listening as {}; Ctrl-C ends it", app.id()));
        let (tell, told) = oneshot::channel();
        let timeout = self.timeout;
        let stop = async move {
            let late = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout).await,
                    None => std::future::pending().await,
                }
            };
            let stopped = tokio::select! {
                () = done.cancelled() => Stopped::Done,
                () = asked => Stopped::Asked,
                () = late => Stopped::Late,
            };
            let _ = tell.send(stopped);
        };
        let report = app
            .connect(router)
            .with_graceful_shutdown(stop)
            .await
            .map_err(refused)?;
        ui.note(&report.to_string());
        if told.await != Ok(Stopped::Late) {
            return Ok(());
        }
        if report.connections == 0 {
            return Err(
                Failure::msg(Exit::Unreachable, "no connection was made in that time").with_hint(
                    "see the log above for the reason; start a platform with `larkspur dev`, or check --domain",
                ),
            );
        }
        match left.map(|left| left.load(Ordering::Relaxed)) {
            Some(left) if left > 0 => {
                let late = format!("the time is over, and --max-events is {left} short");
                Err(Failure::msg(Exit::TimedOut, late)
                    .with_hint("publish one with `larkspur trigger`, or give it longer with --timeout"))
            }
            _ => Ok(()),
        }
    }

    fn app(&self) -> Result<App, Failure> {
        let usage = |error: larkspur::AppError| {
            Failure::new(Exit::Usage, error).with_hint("see `larkspur listen --help` for how it is written")
        };
        let domain = match self.domain.as_deref() {
            Some("feishu") => Some(Domain::Feishu),
            Some("lark") => Some(Domain::Lark),
            Some(url) => Some(Domain::parse(url).map_err(usage)?),
            None => None,
        };
        if let (Some(id), Some(secret)) = (&self.app_id, &self.app_secret) {
            let app = App::new(id, Secret::from(secret.as_str())).map_err(usage)?;
            return Ok(app.domain(domain.unwrap_or_default()));
        }
        // The credentials of `dev` are for this machine.
        let here = |address: &str| Url::parse(address).is_ok_and(|url| is_loopback(&url));
        if self.domain.as_deref().is_some_and(|address| !here(address)) {
            let failure = Failure::msg(Exit::Usage, "a platform elsewhere needs an app to listen as");
            return Err(failure.with_hint("give --app-id and --app-secret of an app of that platform"));
        }
        let dev = DevFile::find().and_then(|dev| Some((dev.apps.first()?.clone(), dev.url)));
        let Some((first, url)) = dev else {
            let failure = Failure::msg(Exit::Usage, "no app was named, and `larkspur dev` has left none here");
            return Err(failure.with_hint("give --app-id and --app-secret, or run `larkspur dev` in this folder"));
        };
        let app = App::new(&first.app_id, Secret::from(first.app_secret)).map_err(usage)?;
        Ok(app.domain(match domain {
            Some(domain) => domain,
            None => Domain::parse(&url).map_err(usage)?,
        }))
    }
}

fn refused(error: ConnectError) -> Failure {
    match error {
        ConnectError::Refused { .. } => {
            Failure::new(Exit::NotAllowed, error).with_hint("check --app-id, --app-secret and --domain")
        }
        ConnectError::Exhausted { .. } => {
            Failure::new(Exit::Unreachable, error).with_hint("check --domain, and that the platform runs")
        }
        error => Failure::new(Exit::Failed, error),
    }
}
