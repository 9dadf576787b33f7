//! `larkspur trigger`: publishes an event with the catalogue's example as payload.

mod set;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, sleep};

use crate::admin::{Admin, Platform};
use crate::command::event::find;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Publish an event, with the catalogue's example as payload.
#[derive(Args)]
pub(crate) struct Trigger {
    /// The event type, for example `hire.eco_exam.created_v1`.
    event_type: String,
    /// Change a field: `candidate_info.name=Li`, `usage_list=[1,2]`; repeat for more.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Publish this many.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Publish this many a second.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// The tenant it happens in.
    #[arg(long, value_name = "KEY")]
    tenant: Option<String>,
    /// The one app that it is for.
    #[arg(long, value_name = "APP_ID")]
    app: Option<String>,
    /// Take the payload from this file instead of the example.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Wait until every app has it; exit code 1 when one was given up, 5 when it takes too long.
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait.
    #[arg(long, default_value_t = 30, requires = "wait")]
    timeout: u64,
    #[command(flatten)]
    platform: Platform,
}

/// How often to look whether an event has been delivered.
const POLL_EVERY: Duration = Duration::from_millis(50);

impl Trigger {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let body = self.body()?;
        let admin = self.platform.clone().connect()?;
        let rate = self.rate.filter(|rate| *rate > 0.0);
        let mut ticks = rate.map(|rate| interval(Duration::from_secs_f64(1.0 / rate)));
        for _ in 0..self.count {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let published = admin.send(Method::POST, "/events", &body).await?;
            print(ui, &published);
            if self.wait {
                self.wait_for(ui, &admin, &published).await?;
            }
        }
        Ok(())
    }

    fn body(&self) -> Result<Value, Failure> {
        let mut event = match &self.file {
            None => find(&self.event_type)?.sample(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
                let json: Value =
                    serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", path.display()))?;
                // A whole envelope is as good as its payload.
                if json.get("header").is_some() || json.get("uuid").is_some() {
                    json["event"].clone()
                } else {
                    json
                }
            }
        };
        for assignment in &self.set {
            set::set(&mut event, assignment)?;
        }
        let mut body = json!({ "event_type": self.event_type, "event": event });
        for (name, value) in [("tenant_key", &self.tenant), ("app_id", &self.app)] {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        Ok(body)
    }

    async fn wait_for(&self, ui: &Ui, admin: &Admin, published: &Value) -> Result<(), Failure> {
        let event_id = published["event_id"].as_str().unwrap_or_default();
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        loop {
            let event = admin.get(&format!("/events/{event_id}")).await?;
            let deliveries = event["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
            let in_state = |state: &str| deliveries.iter().filter(|delivery| delivery["state"] == state).count();
            if in_state("dead") > 0 {
                return Err(Failure::msg(Exit::Failed, format!("event {event_id} was given up")));
            }
            if in_state("pending") == 0 {
                ui.result(&json!({ "event_id": event_id, "delivered": deliveries.len() }), || {
                    format!("  delivered to {} apps", deliveries.len())
                });
                return Ok(());
            }
            if Instant::now() >= deadline {
                let late = format!("event {event_id} is still pending after {} s", self.timeout);
                return Err(Failure::msg(Exit::TimedOut, late).hint("see why in the output of `larkspur dev`"));
            }
            sleep(POLL_EVERY).await;
        }
    }
}

fn print(ui: &Ui, published: &Value) {
    ui.result(published, || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut lines = format!("{}  {}\n", text(&published["event_id"]), text(&published["event_type"]));
        let deliveries = published["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
        for delivery in deliveries {
            let (app_id, mode) = (text(&delivery["app_id"]), text(&delivery["mode"]));
            let state = match (mode.as_str(), delivery["online"].as_u64()) {
                ("websocket", Some(0)) => "nobody is online; it is tried again in 15 s".to_owned(),
                ("websocket", Some(online)) => format!("{online} online"),
                _ => "posted to its request URL".to_owned(),
            };
            lines.push_str(&format!("  → {app_id}  {mode}  {state}\n"));
        }
        if deliveries.is_empty() {
            lines.push_str("  no app receives it:");
            for (gate, apps) in published["refused"].as_object().into_iter().flatten() {
                if apps.as_u64() > Some(0) {
                    lines.push_str(&format!(" {apps} stopped at {gate};"));
                }
            }
            lines.push('\n');
        }
        for warning in published["warnings"].as_array().into_iter().flatten() {
            lines.push_str(&format!("  note: {}\n", text(warning)));
        }
        lines
    });
}
