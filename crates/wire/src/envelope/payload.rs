//! A payload inside the body that it came in, so that it is neither copied nor parsed before somebody asks for it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

/// What an event carries: JSON, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    body: Arc<str>,
    range: Range<usize>,
}

impl Payload {
    /// The payload that is `part` of `body`; the whole of `body` when it is none.
    pub(super) fn within(body: Arc<str>, part: Range<usize>) -> Self {
        let range = if body.get(part.clone()).is_some() {
            part
        } else {
            0..body.len()
        };
        Self { body, range }
    }

    /// The JSON.
    pub fn get(&self) -> &str {
        &self.body[self.range.clone()]
    }
}

impl From<Arc<str>> for Payload {
    fn from(json: Arc<str>) -> Self {
        let range = 0..json.len();
        Self { body: json, range }
    }
}

impl From<String> for Payload {
    fn from(json: String) -> Self {
        Self::from(Arc::<str>::from(json))
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(json: Box<RawValue>) -> Self {
        Self::from(String::from(Box::<str>::from(json)))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
