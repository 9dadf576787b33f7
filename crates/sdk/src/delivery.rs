//! One event on its way to a handler.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Envelope;
use serde_json::{Map, Value, json};

/// How an event arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Posted to our endpoint.
    Webhook,
    /// Over a persistent connection.
    PersistentConnection {
        /// The connection's name, as the platform gave it.
        connection: String,
    },
}

/// What is known of an event besides its payload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Meta {
    /// The same each time the event is pushed: remember it to handle an event once.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// The tenant it happened in; empty for events of no tenant, such as `app_ticket`.
    pub tenant_key: String,
    /// The app it was pushed to.
    pub app_id: String,
    /// When it happened.
    pub create_time: Option<TimestampMs>,
    /// How long ago that was when it arrived.
    pub age: Option<Duration>,
    /// How it arrived.
    pub transport: Transport,
    /// Members of the header that are not documented.
    pub extra: Map<String, Value>,
}

impl Meta {
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

/// One event as it arrived: what extractors read from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    meta: Meta,
    envelope: Envelope,
}

impl Delivery {
    pub(crate) fn new(envelope: Envelope, transport: Transport, now: TimestampMs) -> Self {
        let header = &envelope.header;
        let meta = Meta {
            event_id: header.event_id.clone(),
            event_type: header.event_type.clone(),
            tenant_key: header.tenant_key.clone(),
            app_id: header.app_id.clone(),
            create_time: header.create_time,
            age: header.create_time.map(|time| now.since(time)),
            transport,
            extra: header.extra.clone(),
        };
        Self {
            inner: Arc::new(Inner { meta, envelope }),
        }
    }

    /// What is known of the event besides its payload.
    pub fn meta(&self) -> &Meta {
        &self.inner.meta
    }

    /// The payload as it arrived.
    pub fn payload(&self) -> &str {
        self.inner.envelope.event.get()
    }
}
