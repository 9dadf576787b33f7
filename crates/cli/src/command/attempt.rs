//! One attempt, for people: the way it went, how it ended, what follows.

use larkspur::TimestampMs;
use serde_json::Value;

use crate::ui::{one_line, time_of_day};

/// By which way, with what result, in what time.
pub(crate) fn result(attempt: &Value) -> String {
    let text = |name: &str| one_line(attempt[name].as_str().unwrap_or_default());
    let mut line = match (attempt["mode"].as_str(), text("target")) {
        (_, target) if target.is_empty() => "nowhere to go".to_owned(),
        (Some("websocket"), target) => format!("connection {target}"),
        (_, target) => format!("webhook {target}"),
    };
    line.push_str(&format!("  attempt {}", attempt["number"]));
    if let Some(code) = attempt["code"].as_i64() {
        line.push_str(&format!("  {code}"));
    }
    line.push_str(&format!("  {} ms", attempt["took_ms"]));
    match attempt["error"].as_str() {
        Some(error) => line.push_str(&format!("  failed: {}", one_line(error))),
        None => line.push_str("  delivered"),
    }
    line
}

/// What follows from the last attempt.
pub(crate) fn outlook(state: &Value, next_try_at: &Value) -> String {
    match (state.as_str(), next_try_at.as_i64()) {
        (Some("dead"), _) => "; given up".to_owned(),
        (Some("pending"), Some(at)) => format!("; next try at {}", time_of_day(TimestampMs(at))),
        _ => String::new(),
    }
}

/// A time of the log.
pub(crate) fn time(value: &Value) -> TimestampMs {
    TimestampMs(value.as_i64().unwrap_or_default())
}
