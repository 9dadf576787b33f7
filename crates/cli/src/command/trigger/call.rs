//! A callback: whom to ask, and what was answered.

use larkspur_catalog::{EventTypeFacts, Schema};
use serde_json::Value;

use crate::admin::Admin;

/// The body with an app to ask. In `dev`, where every app made ready would answer, it is the one that events of one app
/// go to as well; the old card callback, of schema 1.0, goes by webhook only, and so to the next.
pub(super) fn addressed(mut body: Value, facts: &EventTypeFacts, admin: &Admin) -> Value {
    let idx = usize::from(facts.schema == Schema::V1);
    if let (None, Some(app_id)) = (body.get("app_id"), admin.ready_apps.get(idx)) {
        body["app_id"] = app_id.as_str().into();
    }
    body
}

/// Who answered how fast, the answer, and what is wrong with it.
pub(super) fn answered(called: &Value) -> String {
    let text = |name: &str| called[name].as_str().unwrap_or_default();
    let (id, event_type, app_id, mode) = (text("event_id"), text("event_type"), text("app_id"), text("mode"));
    let took_ms = &called["took_ms"];
    let mut lines = format!("{id}  {event_type}\n  → {app_id}  {mode}  answered in {took_ms} ms\n");
    match &called["answer"] {
        Value::Null => lines.push_str("nothing\n"),
        answer => lines.push_str(&format!("{answer:#}\n")),
    }
    for misfit in called["misfits"].as_array().into_iter().flatten() {
        let [path, expected, found] =
            ["path", "expected", "found"].map(|name| misfit[name].as_str().unwrap_or_default());
        lines.push_str(&format!("  note: {path}: expected {expected}, found {found}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_shown_whole_with_what_is_wrong_in_it() {
        let misfit = json!({ "path": "answer.toast", "expected": "object", "found": "a string" });
        let called = json!({
            "event_id": "e", "event_type": "card.action.trigger", "app_id": "cli_1", "mode": "webhook", "took_ms": 7,
            "answer": { "toast": "done" }, "misfits": [misfit],
        });
        let text = answered(&called);
        assert!(
            text.contains("→ cli_1  webhook  answered in 7 ms\n{\n  \"toast\": \"done\"\n}\n"),
            "{text}"
        );
        assert!(
            text.ends_with("note: answer.toast: expected object, found a string\n"),
            "{text}"
        );
        assert!(answered(&json!({ "answer": null })).ends_with("nothing\n"));
    }
}
