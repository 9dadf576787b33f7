//! `larkspur show`: everything about one event, or about one delivery of it.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::admin::{Admin, Platform, To};
use crate::command::attempt::{outlook, result, time};
use crate::failure::{Exit, Failure};
use crate::ui::{Ui, count, day_and_time, one_line};

const AFTER_HELP: &str = "\
Examples:
  larkspur show 5e3702a84e847582be8db7fb73283c02
  larkspur show 5e3702a84e847582be8db7fb73283c02 --json | jq '.deliveries[].attempt_log'";

/// Show an event: payload, deliveries, and every attempt with what was answered.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Show {
    /// The id of an event, or of one of its deliveries.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    platform: Platform,
}

/// More of an answer is for `--json`.
const ANSWER_CHARS_MAX: usize = 200;

impl Show {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.clone().connect()?;
        let event = match admin.find(Method::GET, To(&["events", &self.id], &[])).await? {
            Some(event) => event,
            None => of_delivery(&admin, &self.id).await?,
        };
        ui.result(&event, || text(&event));
        Ok(())
    }
}

/// The event of a delivery, with no other delivery.
async fn of_delivery(admin: &Admin, id: &str) -> Result<Value, Failure> {
    let delivery = admin.find(Method::GET, To(&["deliveries", id], &[])).await?;
    let delivery = delivery.ok_or_else(|| unknown(id))?;
    let event_id = delivery["event_id"].as_str().unwrap_or_default();
    let event = admin.find(Method::GET, To(&["events", event_id], &[])).await?;
    let mut event = event.ok_or_else(|| unknown(id))?;
    event["deliveries"] = json!([delivery]);
    Ok(event)
}

/// Neither an event nor a delivery has this id.
pub(crate) fn unknown(id: &str) -> Failure {
    Failure::msg(Exit::Failed, format!("there is neither an event nor a delivery `{id}`"))
        .with_hint("see `larkspur tail --since 1d --no-follow`; the log is kept for as long as [retention] says")
}

fn text(event: &Value) -> String {
    let word = |name: &str| one_line(event[name].as_str().unwrap_or("none")).into_owned();
    let mut text = String::new();
    for (name, value) in [
        ("event", word("event_id")),
        ("type", word("event_type")),
        ("tenant", word("tenant_key")),
        ("happened", day_and_time(time(&event["create_time"]))),
        ("accepted", day_and_time(time(&event["accepted_at"]))),
    ] {
        text.push_str(&format!("{name:<10} {value}\n"));
    }
    text.push_str(&format!("payload    {:#}\n", event["event"]));
    let deliveries = event["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
    if deliveries.is_empty() {
        text.push_str("no app was to get it\n");
    }
    for one in deliveries {
        delivery(&mut text, one);
    }
    text
}

fn delivery(text: &mut String, delivery: &Value) {
    let word = |name: &str| one_line(delivery[name].as_str().unwrap_or_default());
    let attempts = usize::try_from(delivery["attempts"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    let outlook = outlook(&delivery["state"], &delivery["due_at"]);
    let (id, app_id, state) = (word("delivery_id"), word("app_id"), word("state"));
    let attempts = count(attempts, "attempt");
    text.push_str(&format!(
        "delivery   {id}  → {app_id}  {state} after {attempts}{outlook}\n"
    ));
    let withheld: Vec<_> = delivery["withheld"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !withheld.is_empty() {
        text.push_str(&format!("  without  {}\n", one_line(&withheld.join(", "))));
    }
    for attempt in delivery["attempt_log"].as_array().into_iter().flatten() {
        let at = day_and_time(time(&attempt["started_at"]));
        text.push_str(&format!("  {at}  {}\n", result(attempt)));
        let answer = attempt["answer"].as_str().unwrap_or_default();
        if !answer.is_empty() {
            let first: String = answer.chars().take(ANSWER_CHARS_MAX).collect();
            let more = if first.len() < answer.len() { " …" } else { "" };
            text.push_str(&format!("    answered: {}{more}\n", one_line(&first)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stays_on_its_line() {
        let event = json!({
            "event_id": "e1", "event": {}, "deliveries": [{
                "delivery_id": "d1", "app_id": "cli_1", "state": "dead", "attempts": 1, "withheld": [],
                "attempt_log": [{
                    "number": 1, "mode": "webhook", "target": "example.com", "code": 500, "took_ms": 3,
                    "answer": "one\ndelivery   forged\u{1b}[2J", "error": "status 500",
                }],
            }],
        });
        let shown = text(&event);
        assert!(shown.contains("answered: one\\ndelivery   forged\\u{1b}[2J"), "{shown}");
        assert!(shown.contains("dead after 1 attempt; given up"), "{shown}");
    }
}
