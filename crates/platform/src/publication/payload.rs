//! The payload of a publication.

use std::sync::OnceLock;

use serde_json::Value;

use super::compact::compact;

/// A payload: compact JSON, otherwise byte for byte as it was given. It is parsed when somebody asks.
#[derive(Clone, Debug)]
pub struct Payload {
    json: String,
    value: OnceLock<Value>,
}

impl Payload {
    /// Takes valid JSON.
    pub(crate) fn new(json: &str) -> Self {
        Self {
            json: compact(json),
            value: OnceLock::new(),
        }
    }

    /// The payload of an event that says nothing.
    pub fn empty() -> Self {
        Self::new("{}")
    }

    /// As JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The JSON itself.
    pub fn into_json(self) -> String {
        self.json
    }

    /// As a tree.
    pub fn value(&self) -> &Value {
        // It was read to its end when it was checked.
        self.value
            .get_or_init(|| serde_json::from_str(&self.json).unwrap_or_default())
    }
}
