//! Rows of the queue and the log: events, deliveries, attempts.
//!
//! A delivery is one event for one app. It is leased to a pusher, tried, and settled: delivered, due again, or dead.
//! The generation counts leases, so that a pusher that comes back late cannot settle what was given to another.

use std::time::Duration;

use bytes::Bytes;
use larkspur_wire::{AppId, EventId, EventType, TenantKey, TimestampMs, hex};
use serde::{Deserialize, Serialize};

use crate::{BindingKey, Mode};

/// Names one delivery; in order of id they are in order of acceptance.
///
/// It begins with 48 bits of milliseconds, the time when its event was accepted, as a UUID of version 7 does; so a time
/// range of deliveries is a range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u128);

impl DeliveryId {
    /// What is not time.
    const REST_BITS: u32 = 80;
    /// The last time that fits, in the year 10889.
    const TIME_MAX: i64 = (1 << 48) - 1;

    /// The least id of what is accepted at this time.
    pub fn first_at(at: TimestampMs) -> Self {
        let ms = at.0.clamp(0, Self::TIME_MAX);
        Self(u128::from(ms.unsigned_abs()) << Self::REST_BITS)
    }

    /// When its event was accepted.
    pub fn accepted_at(self) -> TimestampMs {
        TimestampMs(i64::try_from(self.0 >> Self::REST_BITS).unwrap_or(Self::TIME_MAX))
    }
}

impl std::fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0.to_be_bytes()))
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
    /// SHA-256 over what was published besides the payload: the same id with another digest, or another payload, is a
    /// conflict.
    pub digest: [u8; 32],
    /// One per app that receives it.
    pub deliveries: Vec<NewDelivery>,
    /// When the leases of those that start leased end.
    pub lease_until: TimestampMs,
    /// Ids in the payload to bind to the receiving app.
    pub binds: Vec<(BindingKey, AppId)>,
    /// Whether it is only asked what became of it: the event would be refused if it were new.
    pub known_only: bool,
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
    /// Who pushes it first.
    pub start: Start,
}

/// How a delivery begins its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Leased to the caller, who pushes it at once, under generation 1.
    Leased,
    /// Due when its event is accepted, for whoever claims it: the caller has no room for it.
    Due,
    /// Due once no older delivery of the same app and key is pending, for whoever claims it.
    InOrder {
        /// What the order is kept for, for example an event type and the id of an approval.
        key: String,
    },
}

/// What became of one accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored.
    New,
    /// The same event was accepted before; these are its deliveries from then, and nothing new was made.
    Repeated(Vec<(DeliveryId, AppId)>),
    /// The event id was used before for a different event; nothing was stored.
    Conflict,
    /// The event id was not used before, and that was all that was asked; nothing was stored.
    Unknown,
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
    /// When it is due, or when the lease on it ends; [`WAITING`] while an older one goes first; meaningless once settled
    /// for good.
    pub due_at: TimestampMs,
    /// Counts the leases handed out.
    pub generation: u32,
    /// Whether others wait until this one is settled for good.
    pub in_order: bool,
}

/// The due time of a delivery that waits for an older one.
pub const WAITING: TimestampMs = TimestampMs(i64::MAX);

/// How many due deliveries of an app the caller has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The app.
    pub app_id: AppId,
    /// At most this many, and never more than [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// What a claim found for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The app.
    pub app_id: AppId,
    /// The longest due first, and of those due at the same time the one accepted first.
    pub claims: Vec<Claim>,
    /// When its next pending delivery is due, or the next lease ends.
    pub next_due: Option<TimestampMs>,
}

/// What waits for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The app.
    pub app_id: AppId,
    /// Pending deliveries, those under a lease among them.
    pub pending: u64,
    /// When the first of them is due, or its lease ends; `None` when all wait for an older one.
    pub next_due: Option<TimestampMs>,
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
    /// Whether the delivery was made in order, so that settling it for good lets the next one go.
    pub in_order: bool,
}

/// How much is in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Deliveries to be pushed, those under a lease among them.
    pub pending: u64,
    /// Deliveries given up.
    pub dead: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_event_was_accepted() {
        let at = TimestampMs(1_608_725_989_000);
        let first = DeliveryId::first_at(at);
        assert_eq!(first.accepted_at(), at);
        assert_eq!(DeliveryId(first.0 + 7).accepted_at(), at);
        assert!(DeliveryId(first.0 - 1).accepted_at() < at);
        assert_eq!(DeliveryId::first_at(TimestampMs(-1)), DeliveryId(0));
    }
}
