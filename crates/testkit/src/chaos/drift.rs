//! Payloads that are not as documented.

use bytes::Bytes;
use serde_json::{Number, Value};

/// The same envelope, with numbers in place of texts of digits; unchanged when it is none that can be read.
pub(super) fn numbers_for_text(json: &Bytes) -> Bytes {
    let Ok(mut envelope) = serde_json::from_slice::<Value>(json) else {
        return json.clone();
    };
    match envelope.get_mut("event") {
        Some(payload) => replace(payload),
        None => return json.clone(),
    }
    envelope.to_string().into()
}

fn replace(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Ok(number) = text.parse::<i64>() {
                *value = Value::Number(Number::from(number));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(replace),
        Value::Object(members) => members.values_mut().for_each(replace),
        _ => {}
    }
}
