//! Frames of a persistent connection: one binary WebSocket message each, a protobuf message of package `pbbp2`.
//!
//! A control frame is a ping or a pong. A data frame carries an event, a callback or a fragment of one, and comes
//! back as its ack. Every SDK refuses a frame without its four required numbers, so zeros are written too.

mod bounds;
mod proto;
mod whole;

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use crate::endpoint::ClientConfig;
use crate::{MessageId, TimestampMs};

pub use whole::Receipt;

/// Payloads are split above this size: Python closes the connection on a frame over 1 MiB.
pub const FRAGMENT_BYTES_MAX: usize = 512 * 1024;
/// A frame may be this large: a fragment of the largest size that others send, and its headers.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A frame may carry this many headers.
pub const HEADERS_MAX: usize = 64;
/// A header may be this large, name and value together; the longest seen are ids of a few dozen bytes.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

mod key {
    pub(super) const TYPE: &str = "type";
    pub(super) const MESSAGE_ID: &str = "message_id";
    pub(super) const SUM: &str = "sum";
    pub(super) const SEQ: &str = "seq";
    pub(super) const TRACE_ID: &str = "trace_id";
    pub(super) const TIMESTAMP: &str = "timestamp";
    pub(super) const BIZ_RT: &str = "biz_rt";
}

const METHOD_CONTROL: i32 = 0;
const METHOD_DATA: i32 = 1;

/// One header of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// Its name.
    pub key: String,
    /// Its value; numbers are written as text.
    pub value: String,
}

/// One binary WebSocket message. Its `Debug` leaves the payload out, which holds the app's token.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Numbers the frame; echoed in the ack. Below 2⁵³, since Node keeps it as a double.
    pub seq_id: u64,
    /// Names the frame in logs; echoed in the ack. Below 2⁵³ too.
    pub log_id: u64,
    /// The `service_id` of the connection URL.
    pub service: i32,
    /// 0 for control, 1 for data.
    pub method: i32,
    /// Names and values; of two with one name the first counts, in every SDK but Node's.
    pub headers: Vec<Header>,
    /// No SDK reads it; echoed in the ack.
    pub payload_encoding: Option<String>,
    /// No SDK reads it; echoed in the ack.
    pub payload_type: Option<String>,
    /// JSON, or a piece of it.
    pub payload: Option<Bytes>,
    /// No SDK reads it; echoed in the ack.
    pub log_id_new: Option<String>,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's sign of life.
    Ping,
    /// The platform's answer to it, with a new [`ClientConfig`].
    Pong,
    /// An event or a callback, or the ack of one.
    Event,
    /// The old card callback; no SDK handles it.
    Card,
    /// Something else; to be ignored.
    Unknown,
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Too many bytes.
    #[error("the frame has {bytes} bytes, and may have {FRAME_BYTES_MAX}")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not the protobuf message that frames are.
    #[error("the frame is no protobuf message: {detail}")]
    Malformed {
        /// What the decoder says.
        detail: String,
    },
    /// Too many headers.
    #[error("the frame has {headers} headers, and may have {HEADERS_MAX}")]
    TooManyHeaders {
        /// How many there are.
        headers: usize,
    },
    /// The frame lacks one of its four required numbers, for which every official SDK refuses it as well.
    #[error("the frame lacks its required field `{field}`")]
    Missing {
        /// The field, as the official protobuf definition spells it.
        field: &'static str,
    },
    /// A header is too long.
    #[error("a header of the frame has {bytes} bytes, and may have {HEADER_BYTES_MAX}")]
    HeaderTooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// A data frame lacks a header, or one is no number.
    #[error("the data frame's header `{header}` is missing or wrong")]
    BadHeader {
        /// Which.
        header: &'static str,
    },
}

/// Where a data frame belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Shared by all fragments of the message.
    pub message_id: MessageId,
    /// How many fragments there are; 1 when the message is whole.
    pub sum: u32,
    /// Which one this is, from 0.
    pub seq: u32,
}

/// An event on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The `service_id` of the connection URL.
    pub service: i32,
    /// Names the message.
    pub message_id: MessageId,
    /// Follows the message through logs.
    pub trace_id: String,
    /// When it was sent.
    pub timestamp: TimestampMs,
    /// The envelope, never encrypted on persistent connections.
    pub payload: Bytes,
}

impl Frame {
    /// Reads a binary WebSocket message.
    pub fn read(bytes: Bytes) -> Result<Self, FrameError> {
        bounds::check(&bytes)?;
        Self::decode(bytes).map_err(|error| FrameError::Malformed {
            detail: error.to_string(),
        })
    }

    /// The binary WebSocket message.
    pub fn write(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// A client's ping.
    pub fn ping(service: i32) -> Self {
        Self {
            service,
            method: METHOD_CONTROL,
            headers: vec![header(key::TYPE, "ping")],
            ..Self::default()
        }
    }

    /// The answer to a ping.
    pub fn pong(service: i32, config: &ClientConfig) -> Self {
        let payload = serde_json::to_vec(config).expect("a struct of integers is JSON").into();
        let headers = vec![header(key::TYPE, "pong")];
        Self {
            service,
            method: METHOD_CONTROL,
            headers,
            payload: Some(payload),
            ..Self::default()
        }
    }

    /// An event in as many frames as it needs, each with at most `fragment_bytes` of payload; `next_id` numbers them.
    pub fn event(event: &Outgoing, fragment_bytes: usize, next_id: impl FnMut() -> u64) -> impl Iterator<Item = Self> {
        let mut next_id = next_id;
        let size = fragment_bytes.max(1);
        let sum = event.payload.len().div_ceil(size).max(1);
        (0..sum).map(move |seq| {
            let id = next_id();
            let payload = event
                .payload
                .slice(seq * size..event.payload.len().min((seq + 1) * size));
            Self {
                seq_id: id,
                log_id: id,
                service: event.service,
                method: METHOD_DATA,
                headers: vec![
                    header(key::TYPE, "event"),
                    header(key::MESSAGE_ID, event.message_id.as_str()),
                    header(key::SUM, &sum.to_string()),
                    header(key::SEQ, &seq.to_string()),
                    header(key::TRACE_ID, &event.trace_id),
                    header(key::TIMESTAMP, &event.timestamp.to_wire_ms()),
                ],
                payload: Some(payload),
                ..Self::default()
            }
        })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match (self.method, self.header(key::TYPE)) {
            (METHOD_CONTROL, Some("ping")) => Kind::Ping,
            (METHOD_CONTROL, Some("pong")) => Kind::Pong,
            (METHOD_DATA, Some("event")) => Kind::Event,
            (METHOD_DATA, Some("card")) => Kind::Card,
            _ => Kind::Unknown,
        }
    }

    /// The value of a header; the first one of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.key == name)
            .map(|header| header.value.as_str())
    }

    /// Where a data frame belongs. A missing `sum` or `seq`, or a `sum` of 0, means that it is whole.
    pub fn part(&self) -> Result<Part, FrameError> {
        let bad = |header| FrameError::BadHeader { header };
        let number = |name| {
            self.header(name)
                .filter(|text| !text.is_empty())
                .map_or(Ok(0), str::parse::<u32>)
        };
        let message_id = self.message_id().ok_or(bad(key::MESSAGE_ID))?;
        let sum = number(key::SUM).map_err(|_| bad(key::SUM))?.max(1);
        let seq = number(key::SEQ).map_err(|_| bad(key::SEQ))?;
        if seq >= sum {
            Err(bad(key::SEQ))
        } else {
            Ok(Part { message_id, sum, seq })
        }
    }

    /// The id of the message it belongs to.
    pub fn message_id(&self) -> Option<MessageId> {
        self.header(key::MESSAGE_ID)?.parse().ok()
    }

    /// How long the handler ran by its own account, in milliseconds; Node's account is negative.
    pub fn biz_rt_ms(&self) -> Option<i64> {
        self.header(key::BIZ_RT)?.parse().ok()
    }

    /// This frame as its own ack: everything echoed, `biz_rt` added, the payload replaced.
    #[must_use]
    pub fn into_ack(mut self, payload: Bytes, biz_rt_ms: u128) -> Self {
        self.headers.push(header(key::BIZ_RT, &biz_rt_ms.to_string()));
        self.payload = Some(payload);
        self
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("seq_id", &self.seq_id)
            .field("log_id", &self.log_id)
            .field("service", &self.service)
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("payload_bytes", &self.payload.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

fn header(key: &str, value: &str) -> Header {
    Header {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
