//! Acks: what a client's handler made of an event, as the payload of the frame that comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::detail::short;

/// The handler took the event.
pub const CODE_OK: i64 = 200;
/// The handler failed, or there is none; the event goes again.
pub const CODE_FAILED: i64 = 500;

/// What a client answers to an event or a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// 200 or 500.
    pub code: i64,
    /// A callback's answer as JSON; decoded from base64.
    pub data: Option<Vec<u8>>,
}

/// A payload that is no ack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ack is no JSON object with a `code`: {detail}")]
pub struct AckError {
    detail: String,
}

#[derive(Deserialize)]
struct Read<'a> {
    code: i64,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Write {
    code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl Ack {
    /// Success without an answer.
    pub fn ok() -> Self {
        Self {
            code: CODE_OK,
            data: None,
        }
    }

    /// Failure.
    pub fn failed() -> Self {
        Self {
            code: CODE_FAILED,
            data: None,
        }
    }

    /// Success with a callback's answer, JSON.
    pub fn answer(json: Vec<u8>) -> Self {
        Self {
            code: CODE_OK,
            data: Some(json),
        }
    }

    /// Whether the app has the event.
    pub fn is_success(&self) -> bool {
        self.code == CODE_OK
    }

    /// Reads an ack's payload: blanks, missing members and members nobody knows are fine, and so is `data` of a form
    /// that no official client sends.
    pub fn parse(payload: &[u8]) -> Result<Self, AckError> {
        let read: Read<'_> = serde_json::from_slice(payload).map_err(|error| AckError { detail: short(&error) })?;
        let text = read
            .data
            .and_then(|data| serde_json::from_str::<String>(data.get()).ok());
        let data = text
            .filter(|text| !text.is_empty())
            .and_then(|text| BASE64.decode(text).ok());
        Ok(Self { code: read.code, data })
    }

    /// The payload: `{"code":200}`, with `data` only when there is an answer.
    pub fn write(&self) -> Vec<u8> {
        let data = self.data.as_ref().map(|json| BASE64.encode(json));
        serde_json::to_vec(&Write { code: self.code, data }).expect("an integer and a string are JSON")
    }
}
