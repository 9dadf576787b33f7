//! What became of a publish, for people.

use larkspur::TimestampMs;
use serde_json::Value;

use crate::ui::{count, time_of_day};

/// A reader looks at a few reasons, not at one for each of a thousand apps.
const EXPLANATIONS_MAX: usize = 5;

/// The id, a line for each app, and the reasons when there is none.
pub(super) fn published(published: &Value) -> String {
    let mut lines = format!("{}  {}\n", text(published, "event_id"), text(published, "event_type"));
    let deliveries = items(published, "deliveries");
    for delivery in deliveries {
        let (app_id, mode) = (text(delivery, "app_id"), text(delivery, "mode"));
        lines.push_str(&format!("  → {app_id}  {mode}  {}\n", state(delivery, mode)));
    }
    if deliveries.is_empty() {
        lines.push_str("  no app gets it\n");
        let explanations = items(published, "explain");
        for refused in explanations.iter().take(EXPLANATIONS_MAX) {
            let [app_id, name, reason, fix] = ["app_id", "app_name", "reason", "fix"].map(|name| text(refused, name));
            lines.push_str(&format!("  ✗ {app_id}  {name}: {reason}; {fix}\n"));
        }
        if let Some(more @ 1..) = explanations.len().checked_sub(EXPLANATIONS_MAX) {
            lines.push_str(&format!("    and {} more\n", count(more, "app")));
        }
    }
    for warning in items(published, "warnings") {
        lines.push_str(&format!("  note: {}\n", warning.as_str().unwrap_or_default()));
    }
    lines
}

fn state(delivery: &Value, mode: &str) -> String {
    match (mode, delivery["online"].as_u64(), delivery["next_try_at"].as_i64()) {
        ("websocket", Some(0), Some(at)) => {
            format!(
                "nobody is online; it is tried again at {}",
                time_of_day(TimestampMs(at))
            )
        }
        ("websocket", Some(0), None) => "nobody is online; it is tried again later".to_owned(),
        ("websocket", Some(online), _) => format!("{online} online"),
        _ => "posted to its request URL".to_owned(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_nobody_gets_says_why() {
        let refused = json!({ "app_id": "cli_1", "app_name": "mine", "reason": "it lacks the scope", "fix": "add it" });
        let answer = json!({
            "event_id": "e", "event_type": "t", "deliveries": [], "explain": vec![refused; 7], "warnings": ["unsure"],
        });
        let text = published(&answer);
        assert_eq!(text.matches("✗ cli_1  mine: it lacks the scope; add it").count(), 5);
        assert!(text.contains("and 2 apps more"), "{text}");
        assert!(text.ends_with("note: unsure\n"), "{text}");
    }

    #[test]
    fn an_app_that_is_offline_is_told_apart() {
        let line = |online: u64| state(&json!({ "online": online }), "websocket");
        assert_eq!(line(2), "2 online");
        assert_eq!(line(0), "nobody is online; it is tried again later");
        assert_eq!(state(&json!({ "online": 0 }), "webhook"), "posted to its request URL");
    }
}
