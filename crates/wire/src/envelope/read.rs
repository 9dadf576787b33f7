//! Reading bodies, leniently: what is missing is empty, what is unknown is kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{BODY_BYTES_MAX, CARD_V1, Challenge, Envelope, EnvelopeError, Header, Incoming, Payload, Schema};
use crate::TimestampMs;
use crate::detail::short;

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
    #[serde(default)]
    token: Text,
    header: Option<HeaderV2>,
    #[serde(default)]
    uuid: Text,
    #[serde(default)]
    ts: Text,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    /// Only the old card callback has these two where an envelope has its own.
    action: Option<IgnoredAny>,
    #[serde(default)]
    tenant_key: Text,
}

/// The members of a schema 1.0 payload that belong to the envelope. A payload of schema 2.0 may have members of the
/// same names with another meaning, so this is read for schema 1.0 only.
#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    r#type: Text,
    #[serde(default)]
    app_id: Text,
    #[serde(default)]
    tenant_key: Text,
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
    read(text.to_owned())
}

pub(super) fn read(text: String) -> Result<Incoming<'static>, EnvelopeError> {
    check_size(text.len())?;
    let body: Body<'_> = serde_json::from_str(&text).map_err(|error| malformed(&error))?;
    if let Some(sealed) = body.encrypt {
        return Ok(Incoming::Sealed(Cow::Owned(sealed.into_owned())));
    }
    if let (Some("url_verification"), Some(challenge)) = (body.r#type.as_deref(), body.challenge) {
        let token = body.token.0.into();
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
            tenant_key: body.tenant_key.0,
            ..Header::default()
        };
        return Ok(Incoming::CardV1(Envelope {
            schema: Schema::V1,
            header,
            event: text.into(),
        }));
    }
    let inner = body.event.map_or("{}", RawValue::get);
    let inner: Inner = serde_json::from_str(inner).map_err(|error| malformed(&error))?;
    let header = Header {
        event_id: body.uuid.0,
        event_type: inner.r#type.0,
        create_time: TimestampMs::from_wire(&body.ts.0).ok(),
        token: body.token.0.into(),
        app_id: inner.app_id.0,
        tenant_key: inner.tenant_key.0,
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

fn begins_sealed(bytes: &[u8]) -> bool {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(b"\"encrypt\""))
}

fn payload(body: String, range: Option<std::ops::Range<usize>>) -> Payload {
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
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Text, E> {
                Ok(Text::default())
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text, E> {
                Ok(Text(Value::from(value).to_string()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Text, A::Error> {
                let value = Value::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                Ok(Text(value.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                let value = Value::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Text(value.to_string()))
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
                        "event_id" => header.event_id = members.next_value::<Text>()?.0,
                        "event_type" => header.event_type = members.next_value::<Text>()?.0,
                        "token" => header.token = members.next_value::<Text>()?.0.into(),
                        "app_id" => header.app_id = members.next_value::<Text>()?.0,
                        "tenant_key" => header.tenant_key = members.next_value::<Text>()?.0,
                        "create_time" => {
                            header.create_time = TimestampMs::from_wire(&members.next_value::<Text>()?.0).ok();
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
