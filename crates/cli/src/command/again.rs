//! `larkspur resend`, `recover` and `replay`: pushing again what was pushed before.

mod job;

use clap::{Args, ValueEnum};
use http::Method;
use larkspur_store::EventGlob;
use larkspur_wire::AppId;
use serde_json::{Value, json};

use crate::admin::{Admin, Platform, To};
use crate::command::show::unknown;
use crate::failure::Failure;
use crate::moment::{self, Moment};
use crate::ui::{Ui, count};

const AFTER_RESEND: &str = "\
Example:
  larkspur resend 5e3702a84e847582be8db7fb73283c02

The same deliveries go out again, under the same event id. An app that had none then does not get one now.";

const AFTER_RECOVER: &str = "\
Examples:
  larkspur recover --since 2h                    whatever is not delivered goes out now, not when its next try is
  larkspur recover --since 7d --state dead       only what was given up
  larkspur recover --since 2026-11-21T08:00 --app cli_9f5343c580712544

The time is when the events were accepted. Ctrl-C ends it; what was made due by then goes out.";

const AFTER_REPLAY: &str = "\
Examples:
  larkspur replay --from 2h                      everything of the last two hours, delivered or not
  larkspur replay --from 2026-11-21T08:00 --to 2026-11-21T09:00 --event 'hire.*' --app cli_9f5343c580712544

The time is when the events were accepted. Each goes to the apps that were to get it then, and to no other. Ctrl-C ends
it; what was made due by then goes out.";

/// Push an event, or one delivery of it, again at once, whatever became of it.
#[derive(Args)]
#[command(after_help = AFTER_RESEND)]
pub(crate) struct Resend {
    /// The id of an event, or of one of its deliveries.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    platform: Platform,
}

/// Push again what is not delivered: given up, or waiting for its next try.
#[derive(Args)]
#[command(after_help = AFTER_RECOVER)]
pub(crate) struct Recover {
    /// Since when: `2h` ago, or a time such as `2026-11-21T08:00`.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Moment,
    /// Only those in this state.
    #[arg(long)]
    state: Option<Failed>,
    #[command(flatten)]
    only: Only,
    #[command(flatten)]
    platform: Platform,
}

/// Push a part of the log again, also what was delivered.
#[derive(Args)]
#[command(after_help = AFTER_REPLAY)]
pub(crate) struct Replay {
    /// From when on: `2h` ago, or a time such as `2026-11-21T08:00`.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Moment,
    /// Until when.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = moment::parse)]
    to: Moment,
    #[command(flatten)]
    only: Only,
    #[command(flatten)]
    platform: Platform,
}

/// What narrows it.
#[derive(Args)]
struct Only {
    /// Only events whose type matches; `*` stands for any characters.
    #[arg(long, value_name = "GLOB")]
    event: Option<EventGlob>,
    /// Only for this app.
    #[arg(long, value_name = "APP_ID")]
    app: Option<AppId>,
}

/// A state of what is not delivered.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Failed {
    /// Waiting for its next try.
    Pending,
    /// Given up.
    Dead,
}

impl Resend {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.clone().connect()?;
        let id = self.id.as_str();
        let mut resent = None;
        for noun in ["events", "deliveries"] {
            if resent.is_none() {
                resent = admin.find(Method::POST, To(&[noun, id, "resend"], &[])).await?;
            }
        }
        let resent = resent.ok_or_else(|| unknown(id))?;
        ui.result(&resent, || {
            let mut text = format!("pushing again: {}", deliveries(&resent["resent"]));
            if resent["under_way"] != 0 {
                text.push_str(&format!(
                    "; being pushed at this moment: {}",
                    deliveries(&resent["under_way"])
                ));
            }
            text
        });
        Ok(())
    }
}

impl Recover {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.clone().connect()?;
        let mut body = json!({ "since": self.since.resolve(&admin).await?.0 });
        if let Some(state) = self.state {
            body["state"] = match state {
                Failed::Pending => "pending",
                Failed::Dead => "dead",
            }
            .into();
        }
        start(ui, &admin, "recoveries", body, &self.only).await
    }
}

impl Replay {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.clone().connect()?;
        let (from, to) = (self.from.resolve(&admin).await?.0, self.to.resolve(&admin).await?.0);
        start(ui, &admin, "replays", json!({ "from": from, "to": to }), &self.only).await
    }
}

async fn start(ui: &Ui, admin: &Admin, noun: &str, mut body: Value, only: &Only) -> Result<(), Failure> {
    if let Some(event) = &only.event {
        body["event_type"] = event.as_str().into();
    }
    if let Some(app) = &only.app {
        body["app_id"] = app.as_str().into();
    }
    let job = admin.send(Method::POST, To(&[noun], &[]), &body).await?;
    job::follow(ui, admin, job).await
}

/// `1 delivery`, `2 deliveries`.
fn deliveries(n: &Value) -> String {
    let n = usize::try_from(n.as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    match n {
        1 => count(1, "delivery"),
        n => format!("{n} deliveries"),
    }
}
