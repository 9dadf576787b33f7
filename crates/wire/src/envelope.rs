//! Envelopes: what is around a payload, in schema 2.0, in schema 1.0, and when a request URL is checked.
//!
//! See <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>.

mod compact;
mod payload;
mod read;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Secret, TimestampMs};

pub use payload::Payload;
pub use write::{NewHeader, write_callback, write_card_v1, write_v1, write_v2};

/// A receiver takes bodies up to this size.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The event type that the old card callback is given, since it carries none.
pub const CARD_V1: &str = "card.action.trigger_v1";

/// Which envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// `uuid`, `ts`, `type`, and the event's type inside the payload.
    V1,
    /// `schema` and `header`.
    V2,
}

/// What stands around a payload, the same for both schemas. Nothing in it is sure to be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// `event_id`, or `uuid` in schema 1.0; the key by which repeats are dropped.
    pub event_id: String,
    /// `event_type`, or the payload's `type` in schema 1.0; the routing key.
    pub event_type: String,
    /// When it happened.
    pub create_time: Option<TimestampMs>,
    /// The Verification Token.
    pub token: Secret,
    /// The receiving app.
    pub app_id: String,
    /// The tenant it happened in; empty for events of no tenant, such as `app_ticket`.
    pub tenant_key: String,
    /// Members that are not documented, kept as they came.
    pub extra: Map<String, Value>,
}

/// An event or a callback as it arrived; the payload is not parsed yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Which envelope it came in.
    pub schema: Schema,
    /// What stands around the payload.
    pub header: Header,
    /// The payload; `{}` when there is none.
    pub event: Payload,
}

/// The check of a request URL: answer it with the challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// To be sent back.
    pub challenge: String,
    /// The Verification Token.
    pub token: Secret,
}

/// A body as it arrives.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// A sealed body: open it and read again.
    Sealed(Cow<'a, str>),
    /// The check of a request URL.
    Challenge(Challenge),
    /// An event or a callback.
    Event(Envelope),
    /// The old card callback, which has no envelope: its payload is the whole body, its type is [`CARD_V1`], and
    /// nothing in it says who sent it. See [`sign_card_v1`](crate::sign_card_v1).
    CardV1(Envelope),
}

/// A body that is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Too many bytes.
    #[error("the body has {bytes} bytes, and may have {BODY_BYTES_MAX}")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not JSON, or not of this form.
    #[error("the body is no envelope: {detail}")]
    Malformed {
        /// What the parser found.
        detail: String,
    },
    /// JSON without an event type.
    #[error("the body has no event type")]
    NoType,
}

impl<'a> Incoming<'a> {
    /// Reads a body.
    ///
    /// ```
    /// use larkspur_wire::envelope::Incoming;
    /// let body = br#"{"schema":"2.0","header":{"event_type":"hire.eco_exam.created_v1"},"event":{"exam_id":"1"}}"#;
    /// let Incoming::Event(envelope) = Incoming::parse(body)? else { unreachable!() };
    /// assert_eq!(envelope.header.event_type, "hire.eco_exam.created_v1");
    /// assert_eq!(envelope.event.get(), r#"{"exam_id":"1"}"#);
    /// # Ok::<(), larkspur_wire::envelope::EnvelopeError>(())
    /// ```
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        read::parse(body)
    }
}

impl Incoming<'static> {
    /// Reads a body and keeps it, so that an event's payload need not be copied out of it.
    pub fn read(body: impl Into<Arc<str>>) -> Result<Self, EnvelopeError> {
        read::read(body.into())
    }
}

impl Challenge {
    /// The body that checks a request URL.
    pub fn write(challenge: &str, token: &Secret) -> Vec<u8> {
        let body = serde_json::json!({ "challenge": challenge, "token": token.expose(), "type": "url_verification" });
        body.to_string().into_bytes()
    }
}

/// The answer to a [`Challenge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeReply {
    /// What was sent.
    pub challenge: String,
}

impl ChallengeReply {
    /// Reads an answer, whatever its content type: the Go SDK's says that it is plain text.
    pub fn parse(body: &[u8]) -> Result<Self, EnvelopeError> {
        serde_json::from_slice(body).map_err(|error| read::malformed(&error))
    }

    /// The answer as JSON.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a string is JSON")
    }
}
