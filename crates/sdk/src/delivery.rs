//! One event on its way to a handler.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use larkspur_events::EventType;
use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::{Envelope, Payload};
use serde_json::{Map, Value, json};

use crate::extract::{Event, Extract, ExtractError};

/// How an event arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Posted to our endpoint.
    Webhook,
    /// Over a persistent connection.
    PersistentConnection {
        /// The connection's name, as the platform gave it.
        connection: Arc<str>,
    },
}

/// What is known of an event besides its payload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Meta {
    /// The same each time the event is pushed; the key by which repeats are dropped.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// The tenant it happened in; empty for events of no tenant, such as `app_ticket`.
    pub tenant_key: String,
    /// The app it was pushed to.
    pub app_id: String,
    /// When it happened.
    pub create_time: Option<TimestampMs>,
    /// When it arrived here.
    pub received_at: TimestampMs,
    /// How it arrived.
    pub transport: Transport,
    /// Members of the header that are not documented.
    pub extra: Map<String, Value>,
}

impl Meta {
    /// How old the event was when it arrived; `None` when it does not say when it happened.
    ///
    /// A platform that could not deliver an event tries again for seven hours, so that an old one may well be about
    /// something that is over. [`Router::drop_stale`](crate::Router::drop_stale) and
    /// [`Router::stale`](crate::Router::stale) treat such events apart.
    pub fn age(&self) -> Option<Duration> {
        self.create_time.map(|time| self.received_at.since(time))
    }

    /// The header as JSON on several lines; the Verification Token is left out.
    pub fn pretty(&self) -> String {
        let mut header = json!({
            "event_id": self.event_id,
            "event_type": self.event_type,
            "create_time": self.create_time.map(TimestampMs::to_wire_ms),
            "app_id": self.app_id,
            "tenant_key": self.tenant_key,
        });
        if let Value::Object(members) = &mut header {
            members.extend(self.extra.clone());
        }
        format!("{header:#}")
    }
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pretty())
    }
}

/// One event as it arrived: what extractors read from, and what the layers around a router see. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

struct Inner {
    meta: Meta,
    payload: Payload,
    drift: OnceLock<Vec<String>>,
}

impl Delivery {
    pub(crate) fn new(envelope: Envelope, transport: Transport, now: TimestampMs) -> Self {
        let header = envelope.header;
        let meta = Meta {
            event_id: header.event_id,
            event_type: header.event_type,
            tenant_key: header.tenant_key,
            app_id: header.app_id,
            create_time: header.create_time,
            received_at: now,
            transport,
            extra: header.extra,
        };
        Self::from_parts(meta, envelope.event)
    }

    pub(crate) fn from_parts(meta: Meta, payload: Payload) -> Self {
        Self {
            inner: Arc::new(Inner {
                meta,
                payload,
                drift: OnceLock::new(),
            }),
        }
    }

    /// What is known of the event besides its payload.
    pub fn meta(&self) -> &Meta {
        &self.inner.meta
    }

    /// The payload as a struct; `None` when the event is of another type.
    pub fn parse<T: EventType>(&self) -> Result<Option<T>, ExtractError> {
        if self.meta().event_type != T::KEY {
            return Ok(None);
        }
        Event::extract(self, &()).map(|Event(event)| Some(event))
    }

    /// The payload as it arrived.
    pub fn payload(&self) -> &str {
        self.inner.payload.get()
    }

    /// The paths of members that have no place in the struct that the payload was read into: the catalogue does not
    /// list them, or with another type. Empty until a handler has read it.
    pub fn drift(&self) -> &[String] {
        self.inner.drift.get().map_or(&[], Vec::as_slice)
    }

    /// Keeps what had no place the first time that the payload is read.
    pub(crate) fn keep_drift(&self, paths: impl FnOnce() -> Vec<String>) {
        self.inner.drift.get_or_init(paths);
    }
}

/// Without the payload, which may hold what people wrote.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("meta", self.meta())
            .field("payload_bytes", &self.payload().len())
            .finish_non_exhaustive()
    }
}
