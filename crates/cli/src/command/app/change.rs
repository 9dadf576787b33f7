//! What can be said of an app on the command line, as the admin API wants it.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What to change.
#[derive(Args, Default)]
pub(crate) struct Change {
    /// A tenant that has it installed; repeat for more, `none` for none.
    #[arg(long, value_name = "KEY")]
    tenant: Vec<String>,
    /// A scope it holds; repeat for more, `all` for every one that it may hold, `none` for none.
    #[arg(long)]
    scope: Vec<String>,
    /// An event type it subscribes to; repeat for more, `all` for every one that it may, `none` for none.
    #[arg(long, value_name = "TYPE")]
    event: Vec<String>,
    /// How events are pushed.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// The request URL for events, which must answer the challenge; empty for none.
    #[arg(long, value_name = "URL")]
    event_url: Option<String>,
    /// A callback it subscribes to; repeat for more, `all`, `none`.
    #[arg(long, value_name = "TYPE")]
    callback: Vec<String>,
    /// How callbacks are pushed.
    #[arg(long, value_enum, value_name = "MODE")]
    callback_mode: Option<Mode>,
    /// The request URL for callbacks, which must answer the challenge; empty for none.
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// The Encrypt Key; empty for none.
    #[arg(long, value_name = "KEY")]
    encrypt_key: Option<String>,
    /// Make a secret anew; repeat for more.
    #[arg(long, value_enum, value_name = "SECRET")]
    reset: Vec<SecretName>,
    /// Push nothing for now; what is published waits. `--paused=false` goes on.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    paused: Option<bool>,
    /// How many pushes to it may be on their way at once; `default` for the platform's setting.
    #[arg(long, value_name = "N", value_parser = own_or_default)]
    in_flight_max: Option<Value>,
    /// How many pushes to it may begin in a second; `default` for no limit.
    #[arg(long, value_name = "N", value_parser = own_or_default)]
    per_second_max: Option<Value>,
    /// Seconds to wait before each retry, as `15,300,3600`; `default` for the platform's setting.
    #[arg(long, value_name = "SECONDS", value_parser = seconds_or_default)]
    retry_seconds: Option<Value>,
    /// Whether its URLs may lead into private address ranges.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_private_addresses: Option<bool>,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Webhook,
    Websocket,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum SecretName {
    AppSecret,
    VerificationToken,
    EncryptKey,
}

impl Change {
    /// The members of the request's body; empty when nothing was said.
    pub(super) fn into_body(self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
        put("events", subscriptions(self.mode, self.event_url, self.event));
        put(
            "callbacks",
            subscriptions(self.callback_mode, self.callback_url, self.callback),
        );
        let delivery = [
            ("paused", self.paused.map(Value::from)),
            ("in_flight_max", self.in_flight_max),
            ("per_second_max", self.per_second_max),
            ("retry_seconds", self.retry_seconds),
        ];
        put("delivery", members(delivery));
        put("tenants", selection(self.tenant));
        put("scopes", selection(self.scope));
        put("encrypt_key", self.encrypt_key.map(Value::from));
        put("reset", (!self.reset.is_empty()).then(|| json!(self.reset)));
        put("allow_private_addresses", self.allow_private_addresses.map(Value::from));
        body
    }
}

fn subscriptions(mode: Option<Mode>, url: Option<String>, types: Vec<String>) -> Option<Value> {
    let url = url.map(|url| if url.is_empty() { Value::Null } else { url.into() });
    members([
        ("mode", mode.map(|mode| json!(mode))),
        ("url", url),
        ("types", selection(types)),
    ])
}

/// An object of what was said, if anything was.
fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    let said = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let said: Map<_, _> = said.collect();
    (!said.is_empty()).then_some(said.into())
}

fn own_or_default(text: &str) -> Result<Value, String> {
    match text {
        "default" => Ok(Value::Null),
        number => match number.parse::<u32>() {
            Ok(number @ 1..) => Ok(json!(number)),
            _ => Err("give a number from 1, or `default`".to_owned()),
        },
    }
}

fn seconds_or_default(text: &str) -> Result<Value, String> {
    if text == "default" {
        return Ok(Value::Null);
    }
    let seconds: Result<Vec<u64>, _> = text.split(',').map(|one| one.trim().parse()).collect();
    seconds
        .map(|seconds| json!(seconds))
        .map_err(|_| "give seconds, as `15,300,3600`, or `default`".to_owned())
}

fn selection(names: Vec<String>) -> Option<Value> {
    match names.as_slice() {
        [] => None,
        [all] if all == "all" => Some("all".into()),
        [none] if none == "none" => Some(json!([])),
        names => Some(json!(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert!(Change::default().into_body().is_empty());
    }

    #[test]
    fn lists_are_all_or_none_or_names() {
        let change = Change {
            tenant: vec!["none".to_owned()],
            scope: vec!["all".to_owned()],
            event: vec!["a".to_owned(), "b".to_owned()],
            event_url: Some(String::new()),
            callback_mode: Some(Mode::Websocket),
            reset: vec![SecretName::EncryptKey],
            ..Change::default()
        };
        let expected = json!({
            "tenants": [], "scopes": "all", "events": { "types": ["a", "b"], "url": null },
            "callbacks": { "mode": "websocket" }, "reset": ["encrypt_key"],
        });
        assert_eq!(Value::from(change.into_body()), expected);
    }
}
