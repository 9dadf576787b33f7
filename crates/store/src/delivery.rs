//! Rows of the queue and the log: events, deliveries, attempts.
//!
//! A delivery is one event for one app. It is leased to a pusher, tried, and settled: delivered, due again, or dead.
//! The generation counts leases, so that a pusher that comes back late cannot settle what was given to another.

use std::time::Duration;

use bytes::Bytes;
use larkspur_wire::{AppId, EventId, EventType, TenantKey, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::{BindingKey, Mode};

/// Names one delivery; ordered by time of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u128);

impl std::fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for DeliveryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// An event as it is accepted, with the deliveries its plan made. All of it goes into one commit.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The idempotency key.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The tenant it happened in; `None` for events that have none, such as `app_ticket`.
    pub tenant_key: Option<TenantKey>,
    /// When it happened, as the header will say.
    pub create_time: TimestampMs,
    /// When the platform took it.
    pub accepted_at: TimestampMs,
    /// The payload, compact JSON, as published.
    pub payload: Bytes,
    /// SHA-256 over what was published: the same id with another digest is a conflict.
    pub digest: [u8; 32],
    /// One per app that receives it; each is leased to the caller under generation 1 until `lease_until`.
    pub deliveries: Vec<NewDelivery>,
    /// When the caller's leases end.
    pub lease_until: TimestampMs,
    /// Ids in the payload to bind to the receiving app.
    pub binds: Vec<(BindingKey, AppId)>,
}

/// A delivery as the plan made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The app it goes to.
    pub app_id: AppId,
    /// Paths of the fields this app may not see.
    pub withheld: Vec<String>,
}

/// What became of one accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored and its deliveries are leased to the caller.
    New,
    /// The same event was accepted before; these are its deliveries from then, and nothing new was made.
    Repeated(Vec<NewDelivery>),
    /// The event id was used before for a different event; nothing was stored.
    Conflict,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The idempotency key.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The tenant it happened in.
    pub tenant_key: Option<TenantKey>,
    /// When it happened.
    pub create_time: TimestampMs,
    /// When the platform took it.
    pub accepted_at: TimestampMs,
    /// The payload as published.
    pub payload: Bytes,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be pushed when it is due, or being pushed under a lease.
    Pending,
    /// The app took it.
    Delivered,
    /// Given up after the last rung of the ladder.
    Dead,
}

/// A stored delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The app.
    pub app_id: AppId,
    /// Paths of the fields this app may not see.
    pub withheld: Vec<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// When it is due, or when the lease on it ends; meaningless once settled for good.
    pub due_at: TimestampMs,
    /// Counts the leases handed out.
    pub generation: u32,
}

/// A due delivery leased to the caller, with the event to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The delivery, its generation already raised.
    pub delivery: Delivery,
    /// Its event.
    pub event: EventRow,
}

/// One try to hand a delivery over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// When it began.
    pub started_at: TimestampMs,
    /// How it was pushed.
    pub mode: Mode,
    /// Where it went: the endpoint's host and path, or the session's id; empty when there was nowhere to go.
    pub target: String,
    /// HTTP status or ack code, when one came.
    pub code: Option<i32>,
    /// How long it took.
    pub took: Duration,
    /// The first bytes of the answer.
    pub answer: Bytes,
    /// Why it failed; `None` when it was delivered.
    pub error: Option<String>,
}

/// How an attempt ends its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The app took it.
    Delivered,
    /// Push again at this time.
    Again(TimestampMs),
    /// Give up.
    Dead,
}

/// Ends a lease: the attempt that was made and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The generation the caller leased; an older one settles nothing, but its attempt is logged.
    pub generation: u32,
    /// What was tried.
    pub attempt: Attempt,
    /// What follows.
    pub verdict: Verdict,
}

/// How much is in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Deliveries to be pushed, those under a lease among them.
    pub pending: u64,
    /// Deliveries given up.
    pub dead: u64,
}

/// Selects deliveries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only those of this event.
    pub event_id: Option<EventId>,
    /// Only those of this app.
    pub app_id: Option<AppId>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Start after this one.
    pub after: Option<DeliveryId>,
    /// At most this many, 1 to [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// Selects events, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only this type.
    pub event_type: Option<EventType>,
    /// Only this tenant.
    pub tenant_key: Option<TenantKey>,
    /// The `next` cursor of the page before.
    pub after: Option<String>,
    /// At most this many, 1 to [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// One page of rows, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Opaque; `None` on the last page.
    pub next: Option<String>,
}
