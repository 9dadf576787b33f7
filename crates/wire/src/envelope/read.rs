//! Reading bodies, leniently: what is missing is empty, what is unknown is kept.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{BODY_BYTES_MAX, Challenge, Envelope, EnvelopeError, Header, Incoming, Schema};
use crate::detail::short;
use crate::{Secret, TimestampMs};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    encrypt: Option<Cow<'a, str>>,
    challenge: Option<String>,
    r#type: Option<Cow<'a, str>>,
    token: Option<Secret>,
    header: Option<Map<String, Value>>,
    uuid: Option<String>,
    ts: Option<Value>,
    event: Option<Box<RawValue>>,
}

/// The members of a schema 1.0 payload that belong to the envelope. A payload of schema 2.0 may have members of the
/// same names with another meaning, so this is read for schema 1.0 only.
#[derive(Deserialize)]
struct Inner {
    r#type: Option<String>,
    app_id: Option<String>,
    tenant_key: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Incoming, EnvelopeError> {
    if bytes.len() > BODY_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
    }
    let body: Body<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    if let Some(sealed) = body.encrypt {
        return Ok(Incoming::Sealed(sealed.into_owned()));
    }
    if let (Some("url_verification"), Some(challenge)) = (body.r#type.as_deref(), body.challenge) {
        return Ok(Incoming::Challenge(Challenge {
            challenge,
            token: body.token.unwrap_or_default(),
        }));
    }
    let event = match body.event {
        Some(event) => event,
        None => RawValue::from_string("{}".to_owned()).map_err(|error| malformed(&error))?,
    };
    let (schema, header) = match body.header {
        Some(members) => (Schema::V2, header_v2(members)),
        None => {
            let inner: Inner = serde_json::from_str(event.get()).map_err(|error| malformed(&error))?;
            let header = Header {
                event_id: body.uuid.unwrap_or_default(),
                event_type: inner.r#type.unwrap_or_default(),
                create_time: body.ts.and_then(time),
                token: body.token.unwrap_or_default(),
                app_id: inner.app_id.unwrap_or_default(),
                tenant_key: inner.tenant_key.unwrap_or_default(),
                extra: Map::new(),
            };
            (Schema::V1, header)
        }
    };
    if header.event_type.is_empty() {
        return Err(EnvelopeError::NoType);
    }
    Ok(Incoming::Event(Envelope { schema, header, event }))
}

fn header_v2(mut members: Map<String, Value>) -> Header {
    let mut text = |name: &str| match members.remove(name) {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let (event_id, event_type, token) = (text("event_id"), text("event_type"), Secret::from(text("token")));
    let (app_id, tenant_key, create_time) = (text("app_id"), text("tenant_key"), text("create_time"));
    let create_time = TimestampMs::from_wire(&create_time).ok();
    Header {
        event_id,
        event_type,
        create_time,
        token,
        app_id,
        tenant_key,
        extra: members,
    }
}

fn time(ts: Value) -> Option<TimestampMs> {
    match ts {
        Value::String(text) => TimestampMs::from_wire(&text).ok(),
        Value::Number(number) => TimestampMs::from_wire(&number.to_string()).ok(),
        _ => None,
    }
}

pub(super) fn malformed(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::Malformed { detail: short(error) }
}
