//! What has been counted on persistent connections since the platform started.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Counts of persistent connections, all from zero when the platform starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HubCounts {
    /// Sessions begun.
    pub sessions_opened: u64,
    /// Sessions ended.
    pub sessions_closed: u64,
    /// Acks that took an event.
    pub acks_ok: u64,
    /// Acks that refused one.
    pub acks_not_ok: u64,
    /// Acks that nobody waited for: late, repeated or invented.
    pub acks_unmatched: u64,
    /// Binary messages that are no frames, and frames that lack what they must have.
    pub frames_malformed: u64,
    /// Text messages and frames of kinds we do not know.
    pub frames_ignored: u64,
    /// Pongs not sent because the client did not read.
    pub replies_dropped: u64,
    /// Connections refused because the app had all it may have, at the endpoint or at the handshake.
    pub refused_over_limit: u64,
    /// Handshakes refused for their ticket.
    pub refused_bad_ticket: u64,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<HubCounts>);

impl Counters {
    /// Adds one to what `which` selects.
    pub(super) fn count(&self, which: impl FnOnce(&mut HubCounts) -> &mut u64) {
        *which(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) += 1;
    }

    pub(super) fn read(&self) -> HubCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
