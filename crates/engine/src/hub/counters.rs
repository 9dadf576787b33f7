//! What has been counted on persistent connections since the platform started.

use crate::counters::counters;

counters! {
    /// Counts of persistent connections, all from zero when the platform starts.
    #[non_exhaustive]
    Counters, HubCounts {
        /// Sessions begun.
        sessions_opened,
        /// Sessions ended.
        sessions_closed,
        /// Acks that took an event.
        acks_ok,
        /// Acks that refused one.
        acks_not_ok,
        /// Acks that nobody waited for: late, repeated or invented.
        acks_unmatched,
        /// Binary messages that are no frames, and frames that lack what they must have.
        frames_malformed,
        /// Text messages and frames of kinds we do not know.
        frames_ignored,
        /// Pongs not sent because the client did not read.
        replies_dropped,
        /// Connections refused because the app had all it may have, at the endpoint or at the handshake.
        refused_over_limit,
        /// Handshakes refused for their ticket.
        refused_bad_ticket,
    }
}
