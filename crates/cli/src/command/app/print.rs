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
    line("online", &app["online"].to_string());
    text
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
    fn few_names_are_named_and_many_are_counted() {
        assert_eq!(some(&json!([]), "scope"), "none");
        assert_eq!(some(&json!(["a", "b"]), "scope"), "a, b");
        assert_eq!(some(&json!(["a", "b", "c", "d", "e", "f"]), "scope"), "6 scopes");
    }
}
