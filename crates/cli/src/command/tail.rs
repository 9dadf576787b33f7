//! `larkspur tail`: attempts as they happen.

use std::time::Duration;

use clap::{Args, ValueEnum};
use larkspur_store::EventGlob;
use larkspur_wire::AppId;
use serde_json::Value;
use tokio::time::sleep;

use crate::admin::{Admin, Platform, To};
use crate::command::attempt::{outlook, result, time};
use crate::failure::Failure;
use crate::moment::{self, Moment};
use crate::ui::{Ui, one_line, time_of_day};

const AFTER_HELP: &str = "\
Examples:
  larkspur tail                                     every attempt from now on
  larkspur tail --since 2h --state dead --no-follow what was given up in the last two hours
  larkspur tail --event 'im.*' --json | jq .attempt.error";

/// Print attempts as they happen: which event, for which app, by which way, and how it ended.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Tail {
    /// Only those for this app.
    #[arg(long, value_name = "APP_ID")]
    app: Option<AppId>,
    /// Only those of events whose type matches; `*` stands for any characters.
    #[arg(long, value_name = "GLOB")]
    event: Option<EventGlob>,
    /// Only those of deliveries in this state.
    #[arg(long)]
    state: Option<State>,
    /// Begin with what happened since then: `2h` ago, or a time such as `2026-11-21T08:00`.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Moment>,
    /// Go on with what happens from now on, until Ctrl-C; this is the default.
    #[arg(long, overrides_with = "no_follow")]
    follow: bool,
    /// End when everything up to now is printed.
    #[arg(long, overrides_with = "follow")]
    no_follow: bool,
    #[command(flatten)]
    platform: Platform,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    /// It will be tried again.
    Pending,
    /// The app took it.
    Delivered,
    /// It was given up.
    Dead,
}

/// As many as the platform gives at once.
const LIMIT: &str = "1000";
/// How often to ask when there was nothing more; a person does not see the difference.
const POLL_EVERY: Duration = Duration::from_millis(200);

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl Tail {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.clone().connect()?;
        let mut query = vec![("limit", LIMIT.to_owned())];
        query.extend(self.app.as_ref().map(|app| ("app_id", app.to_string())));
        query.extend(self.event.as_ref().map(|glob| ("event_type", glob.to_string())));
        query.extend(self.state.map(|state| ("state", state.word().to_owned())));
        if let Some(since) = self.since {
            query.push(("since", since.resolve(&admin).await?.0.to_string()));
        }
        let mut after = None;
        loop {
            let feed = feed(&admin, &query, after.as_deref()).await?;
            if after.is_none() && !self.no_follow {
                ui.note("following what happens; Ctrl-C ends it");
            }
            for item in feed["items"].as_array().into_iter().flatten() {
                // Nobody reads any more.
                if ui.hand_over(item, || line(item)).is_err() {
                    return Ok(());
                }
            }
            after = feed["next"].as_str().map(str::to_owned);
            match (feed["caught_up"] == true, self.no_follow) {
                (true, true) => return Ok(()),
                (true, false) => sleep(POLL_EVERY).await,
                (false, _) => {}
            }
        }
    }
}

async fn feed(admin: &Admin, query: &[(&str, String)], after: Option<&str>) -> Result<Value, Failure> {
    let mut query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.extend(after.map(|after| ("after", after)));
    admin.get(To(&["attempts"], &query)).await
}

fn line(item: &Value) -> String {
    let text = |name: &str| one_line(item[name].as_str().unwrap_or_default());
    let attempt = &item["attempt"];
    format!(
        "{}  {}  {}  → {}  {}{}",
        time_of_day(time(&attempt["started_at"])),
        text("event_id"),
        text("event_type"),
        text("app_id"),
        result(attempt),
        outlook(&item["state"], &item["next_try_at"]),
    )
}
