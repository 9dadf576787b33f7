//! `larkspur trigger`: publishes an event with the catalogue's example as payload, or asks an app for a callback.

mod call;
mod print;
mod set;
mod wait;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use http::Method;
use larkspur_catalog::Catalog;
use larkspur_wire::{AppId, TenantKey};
use serde_json::{Value, json};
use tokio::time::interval;

use crate::admin::{Admin, Platform, To};
use crate::command::event::find;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Examples:
  larkspur trigger hire.eco_exam.created_v1 --wait
  larkspur trigger hire.eco_exam.created_v1 --set candidate_info.name=Li --set application_id=42
  larkspur trigger im.message.receive_v1 --file message.json --count 100 --rate 10
  larkspur trigger card.action.trigger --set action.value.approve=yes

A value of --set is JSON where it reads as JSON, and text where it does not or where the example has text. Items of
lists are counted from 0: `--set job_info.addresses.0.id=7`. --file takes a payload, or a whole event as it was received.

A callback (card.action.trigger, url.preview.get, …) is asked of one app, once, and its answer is printed.";

/// Publish an event, with the catalogue's example as payload, or ask an app for its answer to a callback.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Trigger {
    /// The event type, for example `hire.eco_exam.created_v1`; `larkspur event list` has them all. Or a callback.
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// Change a field: `candidate_info.name=Li`, `usage_list=[1,2]`; repeat for more.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Publish this many.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Publish this many a second; one after the other, when left out.
    #[arg(long, value_name = "N", value_parser = period)]
    rate: Option<Period>,
    /// The tenant it happens in.
    #[arg(long, value_name = "KEY")]
    tenant: Option<TenantKey>,
    /// The one app that it is for.
    #[arg(long, value_name = "APP_ID")]
    app: Option<AppId>,
    /// Take the payload from this file instead of the example.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Wait until every app has it; exit code 1 when one was given up or none gets it, 5 when it takes too long.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "wait", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    platform: Platform,
}

/// The time between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period(Duration);

/// Slower than once in 1,000 seconds is a mistake, and so is faster than anything could publish.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;

fn period(rate: &str) -> Result<Period, String> {
    let rate = rate.parse().ok().filter(|rate| RATES.contains(rate));
    rate.map(|rate| Period(Duration::from_secs_f64(1.0 / rate)))
        .ok_or_else(|| "give a number from 0.001 to 100000".to_owned())
}

impl Trigger {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let body = self.body()?;
        let admin = self.platform.clone().connect()?;
        if let Some(facts) = Catalog::embedded().callback(&self.event_type) {
            let body = call::addressed(body, facts, &admin);
            return self.call(ui, &admin, &body).await;
        }
        // People are told why nobody gets an event; programs read the counts.
        let explain = [("explain", if ui.json { "false" } else { "true" })];
        let mut ticks = self.rate.map(|Period(period)| interval(period));
        let mut published_ids = Vec::new();
        for _ in 0..self.count {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let mut published = admin.send(Method::POST, To(&["events"], &explain), &body).await?;
            if self.count == 1 {
                wait::next_tries(&admin, &mut published).await;
            }
            ui.result(&published, || print::published(&published));
            if self.wait {
                published_ids.extend(published["event_id"].as_str().map(str::to_owned));
            }
        }
        if self.wait {
            wait::until_settled(ui, &admin, &published_ids, self.timeout).await?;
        }
        Ok(())
    }

    /// An app answers or it does not, so that there is nothing to wait for.
    async fn call(&self, ui: &Ui, admin: &Admin, body: &Value) -> Result<(), Failure> {
        let mut ticks = self.rate.map(|Period(period)| interval(period));
        for _ in 0..self.count {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let called = admin.send(Method::POST, To(&["callbacks"], &[]), body).await?;
            ui.result(&called, || call::answered(&called));
        }
        Ok(())
    }

    fn body(&self) -> Result<Value, Failure> {
        let mut event = match &self.file {
            None => find(&self.event_type)?.sample(),
            Some(path) => payload(path).map_err(|error| {
                Failure::new(Exit::Usage, error).with_hint("--file names a JSON file with the payload")
            })?,
        };
        for assignment in &self.set {
            set::set(&mut event, assignment)?;
        }
        let mut body = json!({ "event_type": self.event_type, "event": event });
        if let Some(tenant) = &self.tenant {
            body["tenant_key"] = tenant.as_str().into();
        }
        if let Some(app) = &self.app {
            body["app_id"] = app.as_str().into();
        }
        Ok(body)
    }
}

/// Reads a payload; a whole envelope is as good as its payload.
fn payload(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let mut json: Value = serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", path.display()))?;
    let envelope = json.get("header").is_some() || json.get("uuid").is_some();
    let event = json.get_mut("event").map(Value::take);
    Ok(match event {
        Some(event) if envelope => event,
        Some(event) => {
            json["event"] = event;
            json
        }
        None => json,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_that_can_be_kept() {
        assert_eq!(period("4"), Ok(Period(Duration::from_millis(250))));
        for wrong in ["0", "-1", "inf", "NaN", "1e-300", "1e300", "fast"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_whole_event_is_as_good_as_its_payload() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        for (text, expected) in [
            (r#"{"exam_id":"7"}"#, json!({ "exam_id": "7" })),
            (
                r#"{"schema":"2.0","header":{},"event":{"exam_id":"7"}}"#,
                json!({ "exam_id": "7" }),
            ),
            (r#"{"uuid":"1","event":{"type":"x"}}"#, json!({ "type": "x" })),
            (
                r#"{"event":"a payload may have such a field"}"#,
                json!({ "event": "a payload may have such a field" }),
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(payload(&file).unwrap(), expected);
        }
    }
}
