//! Reading bodies, leniently: what is missing is empty, what is unknown is kept.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{BODY_BYTES_MAX, CARD_V1, Challenge, Envelope, EnvelopeError, Header, Incoming, Payload, Schema, compact};
use crate::detail::short;
use crate::{Secret, TimestampMs};

#[derive(Deserialize)]
struct Sealed<'a> {
    #[serde(borrow)]
    encrypt: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    encrypt: Option<Cow<'a, str>>,
    #[serde(default)]
    challenge: Option<String>,
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token: Text<'a>,
    header: Option<HeaderV2>,
    #[serde(borrow, default)]
    uuid: Text<'a>,
    #[serde(borrow, default)]
    ts: Text<'a>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    /// Only the old card callback has these two where an envelope has its own.
    action: Option<IgnoredAny>,
    #[serde(borrow, default)]
    tenant_key: Text<'a>,
}

/// The members of a schema 1.0 payload that belong to the envelope. A payload of schema 2.0 may have members of the
/// same names with another meaning, so this is read for schema 1.0 only.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    app_id: Text<'a>,
    #[serde(borrow, default)]
    tenant_key: Text<'a>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Incoming<'_>, EnvelopeError> {
    check_size(bytes.len())?;
    if let Some(sealed) = sealed_as_the_platform_writes(bytes) {
        return Ok(Incoming::Sealed(Cow::Borrowed(sealed)));
    }
    // A sealed body has one member; looking for it first spares it the copy that an event keeps.
    if begins_sealed(bytes) {
        let body: Sealed<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if let Some(sealed) = body.encrypt {
            return Ok(Incoming::Sealed(sealed));
        }
    }
    let text = str::from_utf8(bytes).map_err(|error| EnvelopeError::Malformed {
        detail: error.to_string(),
    })?;
    read(text.into())
}

pub(super) fn read(text: Arc<str>) -> Result<Incoming<'static>, EnvelopeError> {
    check_size(text.len())?;
    if let Some((header, range)) = event_as_the_platform_writes(&text) {
        return event(Schema::V2, header, Payload::within(text, range));
    }
    let body: Body<'_> = serde_json::from_str(&text).map_err(|error| malformed(&error))?;
    if let Some(sealed) = body.encrypt {
        return Ok(Incoming::Sealed(Cow::Owned(sealed.into_owned())));
    }
    if let (Some("url_verification"), Some(challenge)) = (body.r#type.as_deref(), body.challenge) {
        let token = body.token.into();
        return Ok(Incoming::Challenge(Challenge { challenge, token }));
    }
    let range = body.event.map(|event| {
        let start = event.get().as_ptr().addr() - text.as_ptr().addr();
        start..start + event.get().len()
    });
    if let Some(HeaderV2(header)) = body.header {
        return event(Schema::V2, header, payload(text, range));
    }
    if range.is_none() && body.action.is_some() {
        let header = Header {
            event_type: CARD_V1.to_owned(),
            tenant_key: body.tenant_key.into(),
            ..Header::default()
        };
        return Ok(Incoming::CardV1(Envelope {
            schema: Schema::V1,
            header,
            event: text.into(),
        }));
    }
    let inner = body.event.map_or("{}", RawValue::get);
    let inner: Inner<'_> = serde_json::from_str(inner).map_err(|error| malformed(&error))?;
    let header = Header {
        event_id: body.uuid.into(),
        event_type: inner.r#type.into(),
        create_time: TimestampMs::from_wire(&body.ts.0).ok(),
        token: body.token.into(),
        app_id: inner.app_id.into(),
        tenant_key: inner.tenant_key.into(),
        extra: Map::new(),
    };
    event(Schema::V1, header, payload(text, range))
}

fn check_size(bytes: usize) -> Result<(), EnvelopeError> {
    if bytes > BODY_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes });
    }
    Ok(())
}

/// What is sealed in a body of the one form that the platform writes, `{"encrypt":"…"}`: it needs no parser, which
/// would be a fourteenth of what a webhook request costs. What is no base64 is found when it is opened.
fn sealed_as_the_platform_writes(bytes: &[u8]) -> Option<&str> {
    let sealed = bytes.strip_prefix(br#"{"encrypt":""#)?.strip_suffix(br#""}"#)?;
    // Counting has no end before the last byte, so that the compiler looks at many at once.
    let odd = sealed
        .iter()
        .filter(|byte| **byte < b' ' || matches!(**byte, b'"' | b'\\'))
        .count();
    (odd == 0).then(|| str::from_utf8(sealed).ok())?
}

/// An event in the one form that the platform writes, `{"schema":"2.0","header":{…},"event":{…}}`: its header, and where
/// its payload is. Anything else is left to a parser for all forms, which takes half as long again.
fn event_as_the_platform_writes(body: &str) -> Option<(Header, Range<usize>)> {
    let after_schema = body.strip_prefix(r#"{"schema":"2.0","header":"#)?;
    let mut headers = serde_json::Deserializer::from_str(after_schema).into_iter();
    let HeaderV2(header) = headers.next()?.ok()?;
    let after_header = after_schema.get(headers.byte_offset()..)?;
    let payload = after_header.strip_prefix(r#","event":"#)?.strip_suffix('}')?;
    let end = body.len() - 1;
    compact::is_object(payload).then(|| (header, end - payload.len()..end))
}

fn begins_sealed(bytes: &[u8]) -> bool {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(b"\"encrypt\""))
}

fn payload(body: Arc<str>, range: Option<Range<usize>>) -> Payload {
    match range {
        Some(range) => Payload::within(body, range),
        None => Payload::from("{}".to_owned()),
    }
}

fn event(schema: Schema, header: Header, event: Payload) -> Result<Incoming<'static>, EnvelopeError> {
    if header.event_type.is_empty() {
        return Err(EnvelopeError::NoType);
    }
    Ok(Incoming::Event(Envelope { schema, header, event }))
}

/// Text, or what stands in its place: a number is its digits, `null` is nothing, anything else is its JSON.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

impl From<Text<'_>> for Secret {
    fn from(text: Text<'_>) -> Self {
        String::from(text).into()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(value.to_string().into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Value::from(value).to_string().into()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Text<'de>, A::Error> {
                let value = Value::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                Ok(Text(value.to_string().into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
                let value = Value::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Text(value.to_string().into()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The header of schema 2.0, read member by member: a map in between would cost more than all the rest of it.
struct HeaderV2(Header);

impl<'de> Deserialize<'de> for HeaderV2 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HeaderV2;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<HeaderV2, A::Error> {
                let mut header = Header::default();
                while let Some(name) = members.next_key::<Name<'de>>()? {
                    match &*name.0 {
                        "event_id" => header.event_id = members.next_value::<Text<'_>>()?.into(),
                        "event_type" => header.event_type = members.next_value::<Text<'_>>()?.into(),
                        "token" => header.token = members.next_value::<Text<'_>>()?.into(),
                        "app_id" => header.app_id = members.next_value::<Text<'_>>()?.into(),
                        "tenant_key" => header.tenant_key = members.next_value::<Text<'_>>()?.into(),
                        "create_time" => {
                            header.create_time = TimestampMs::from_wire(&members.next_value::<Text<'_>>()?.0).ok();
                        }
                        other => {
                            let value = members.next_value()?;
                            header.extra.insert(other.to_owned(), value);
                        }
                    }
                }
                Ok(HeaderV2(header))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

pub(super) fn malformed(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::Malformed { detail: short(error) }
}
