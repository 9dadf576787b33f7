//! Acks: what a client's handler made of an event, as the payload of the frame that comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// An answer to a callback that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ack's `data` is {found}, and should be the answer's JSON in base64")]
pub struct AnswerError {
    found: &'static str,
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

    /// Reads the answer to a callback out of an ack's payload, strictly; `None` when there is none.
    pub fn parse_answer(payload: &[u8]) -> Result<Option<Vec<u8>>, AnswerError> {
        let Some(data) = serde_json::from_slice::<Read<'_>>(payload)
            .ok()
            .and_then(|read| read.data)
        else {
            return Ok(None);
        };
        match serde_json::from_str(data.get()) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::String(text)) if text.is_empty() => Ok(None),
            Ok(Value::String(text)) => BASE64.decode(text).map(Some).map_err(|_| AnswerError {
                found: "text that is no base64",
            }),
            _ => Err(AnswerError { found: "no text" }),
        }
    }

    /// The payload: `{"code":200}`, with `data` only when there is an answer.
    pub fn write(&self) -> Vec<u8> {
        let data = self.data.as_ref().map(|json| BASE64.encode(json));
        serde_json::to_vec(&Write { code: self.code, data }).expect("an integer and a string are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Result<Option<Vec<u8>>, AnswerError> {
        Ack::parse_answer(payload.as_bytes())
    }

    #[test]
    fn an_answer_is_base64_or_nothing() {
        assert_eq!(answer(r#"{"code":200,"data":"e30="}"#), Ok(Some(b"{}".to_vec())));
        for none in [
            r#"{"code":200}"#,
            r#"{"code":200,"headers":null,"data":null}"#,
            r#"{"code": 200, "data": ""}"#,
        ] {
            assert_eq!(answer(none), Ok(None), "{none}");
        }
    }

    #[test]
    fn an_answer_in_another_form_is_named() {
        for (payload, found) in [
            (r#"{"code":200,"data":{"toast":{}}}"#, "no text"),
            (r#"{"code":200,"data":"{}"}"#, "text that is no base64"),
        ] {
            let error = answer(payload).unwrap_err();
            assert!(error.to_string().contains(found), "{error}");
        }
    }
}
