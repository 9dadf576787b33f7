//! `larkspur listen`: receives over a persistent connection and prints what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use larkspur::{App, Domain, Meta, RawEvent, Router, Secret, State, ctrl_c};
use larkspur_catalog::matches;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::home::DevFile;
use crate::ui::Ui;

/// Receive events over a persistent connection, and print each as a line of JSON.
///
/// Without credentials it connects to the platform that `larkspur dev` runs. Mind that each event goes to one client of
/// an app only: what this one takes, others do not get.
#[derive(Args)]
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
    #[arg(long)]
    max_events: Option<u64>,
    /// Give up after this many seconds; exit code 5 when --max-events were not reached.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

#[derive(Clone)]
struct Printer {
    ui: Ui,
    pattern: Arc<str>,
    left: Option<Arc<AtomicU64>>,
    done: CancellationToken,
}

async fn print(RawEvent(event): RawEvent, meta: Meta, State(printer): State<Printer>) {
    if !matches(&printer.pattern, &meta.event_type) {
        return;
    }
    if let Some(left) = &printer.left {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match before {
            Err(_) => return,
            Ok(1) => printer.done.cancel(),
            Ok(_) => {}
        }
    }
    let line = json!({
        "event_id": meta.event_id, "event_type": meta.event_type, "tenant_key": meta.tenant_key, "app_id": meta.app_id,
        "create_time": meta.create_time, "event": event,
    });
    printer.ui.result(&line, || line.to_string());
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
        ui.note(&format!("listening as {}; Ctrl-C ends it", app.id()));
        let timeout = self.timeout;
        let timeout = async move {
            match timeout {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let stop = async move {
            tokio::select! {
                () = done.cancelled() => {}
                () = ctrl_c() => {}
                () = timeout => {}
            }
        };
        let report = app
            .connect(router)
            .with_graceful_shutdown(stop)
            .await
            .map_err(|error| Failure::new(Exit::NotAllowed, error).hint("check --app-id, --app-secret and --domain"))?;
        ui.note(&report.to_string());
        match left.map(|left| left.load(Ordering::Relaxed)) {
            Some(left) if left > 0 => Err(Failure::msg(
                Exit::TimedOut,
                format!("{left} more events were expected"),
            )),
            _ => Ok(()),
        }
    }

    fn app(&self) -> Result<App, Failure> {
        let usage = |error: larkspur::AppError| Failure::new(Exit::Usage, error);
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
        let dev = DevFile::find().and_then(|dev| Some((dev.apps.first()?.clone(), dev.url)));
        let Some((first, url)) = dev else {
            let failure = Failure::msg(Exit::Usage, "no app was named, and `larkspur dev` has left none here");
            return Err(failure.hint("give --app-id and --app-secret, or run `larkspur dev` in this folder"));
        };
        let app = App::new(&first.app_id, Secret::from(first.app_secret)).map_err(usage)?;
        Ok(app.domain(match domain {
            Some(domain) => domain,
            None => Domain::parse(&url).map_err(usage)?,
        }))
    }
}
