//! An app, for people.

use serde_json::Value;

use super::names;
use crate::ui::{Ui, count};

/// More names than this are only counted; `--json` has them all.
const NAMES_MAX: usize = 5;

/// One line.
pub(super) fn short(ui: &Ui, app: &Value) {
    ui.result(app, || {
        let text = |name: &str| app[name].as_str().unwrap_or_default();
        let mode = app["published"]["events"]["mode"].as_str().unwrap_or("unpublished");
        let (id, kind, name) = (text("app_id"), text("kind"), text("name"));
        format!("{id}  {kind:<7} {mode:<12} online {}  {name}", app["online"])
    });
}

/// All there is to know, and what to do next.
pub(super) fn app(ui: &Ui, app: &Value) {
    ui.result(app, || long(app));
    if app["unpublished_changes"] == true && !ui.json {
        let id = app["app_id"].as_str().unwrap_or_default();
        ui.note(&format!(
            "not all of this is in force; publish it with `larkspur app publish {id}`"
        ));
    }
}

fn long(app: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<20} {value}\n"));
    for name in [
        "app_id",
        "name",
        "kind",
        "app_secret",
        "verification_token",
        "encrypt_key",
        "event_url",
        "callback_url",
    ] {
        if let Some(value) = app[name].as_str() {
            line(name, value);
        }
    }
    line("tenants", &some(&app["tenants"], "tenant"));
    for stage in ["draft", "published"] {
        let config = &app[stage];
        if config.is_null() {
            line(stage, "nothing yet");
            continue;
        }
        let version = config["version"].as_u64().map(|version| format!("version {version}"));
        line(stage, &version.unwrap_or_default());
        line("  scopes", &some(&config["scopes"], "scope"));
        for kind in ["events", "callbacks"] {
            let mode = config[kind]["mode"].as_str().unwrap_or_default();
            let types = some(&config[kind]["types"], "type");
            line(&format!("  {kind}"), &format!("by {mode}: {types}"));
        }
    }
    line("delivery", &delivery(&app["delivery"]));
    line("online", &app["online"].to_string());
    text
}

/// What the app has of its own, and whether anything is pushed.
fn delivery(own: &Value) -> String {
    let mut parts = Vec::new();
    if own["paused"] == true {
        parts.push("paused".to_owned());
    }
    if let Some(max) = own["in_flight_max"].as_u64() {
        parts.push(format!("{max} at once"));
    }
    if let Some(max) = own["per_second_max"].as_u64() {
        parts.push(format!("{max} a second"));
    }
    if let Some(ladder) = own["retry_seconds"].as_array() {
        let rungs: Vec<_> = ladder.iter().map(|seconds| format!("{seconds} s")).collect();
        parts.push(match rungs.as_slice() {
            [] => "no retries".to_owned(),
            rungs => format!("retries after {}", rungs.join(", ")),
        });
    }
    if parts.is_empty() {
        "as the platform is set".to_owned()
    } else {
        parts.join("; ")
    }
}

fn some(value: &Value, noun: &str) -> String {
    let names = names(value);
    match names.len() {
        0 => "none".to_owned(),
        1..=NAMES_MAX => names.join(", "),
        n => count(n, noun),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_of_its_own_are_told() {
        let own = |own: Value| delivery(&own);
        assert_eq!(
            own(json!({"paused": false, "in_flight_max": null})),
            "as the platform is set"
        );
        assert_eq!(
            own(json!({"paused": true, "in_flight_max": 3, "per_second_max": 20, "retry_seconds": [15, 300]})),
            "paused; 3 at once; 20 a second; retries after 15 s, 300 s"
        );
        assert_eq!(own(json!({"retry_seconds": []})), "no retries");
    }

    #[test]
    fn few_names_are_named_and_many_are_counted() {
        assert_eq!(some(&json!([]), "scope"), "none");
        assert_eq!(some(&json!(["a", "b"]), "scope"), "a, b");
        assert_eq!(some(&json!(["a", "b", "c", "d", "e", "f"]), "scope"), "6 scopes");
    }
}
