//! What the platform does, as it happens: for whoever watches, such as the developer's terminal.
//!
//! Watching is best effort: a watcher that falls behind misses some, and nothing waits for it.

use std::time::Duration;

use larkspur_store::Mode;
use larkspur_wire::{AppId, EventId, EventType, TimestampMs};

use crate::hub::SessionId;

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activity {
    /// An event was accepted.
    Published {
        /// Its id.
        event_id: EventId,
        /// What happened.
        event_type: EventType,
        /// How many apps it goes to.
        deliveries: usize,
    },
    /// A delivery was tried.
    Attempted {
        /// The event.
        event_id: EventId,
        /// What happened.
        event_type: EventType,
        /// The receiver.
        app_id: AppId,
        /// How it was pushed.
        mode: Mode,
        /// The endpoint's host and path, or the session's id.
        target: String,
        /// Counts from 1.
        attempt: u32,
        /// HTTP status or ack code, when one came.
        code: Option<i32>,
        /// How long it took.
        took: Duration,
        /// Why it failed; `None` when it was delivered.
        error: Option<String>,
        /// When it is tried again.
        next_try: Option<TimestampMs>,
        /// Whether it was given up.
        dead: bool,
    },
    /// An app was asked for its answer to a callback.
    Called {
        /// Names the call.
        event_id: EventId,
        /// What was asked.
        event_type: EventType,
        /// Who was asked.
        app_id: AppId,
        /// How it was asked.
        mode: Mode,
        /// The endpoint's host and path, or the session's id.
        target: String,
        /// HTTP status or ack code, when one came.
        code: Option<i32>,
        /// How long it took.
        took: Duration,
        /// Why there is no answer; `None` when there is.
        error: Option<String>,
    },
    /// A client connected.
    SessionOpened {
        /// Its app.
        app_id: AppId,
        /// The connection.
        session_id: SessionId,
        /// Live connections of the app, this one included.
        online: usize,
    },
    /// A connection ended.
    SessionClosed {
        /// Its app.
        app_id: AppId,
        /// The connection.
        session_id: SessionId,
        /// Live connections that the app has left.
        online: usize,
        /// Why it ended.
        reason: String,
    },
}
