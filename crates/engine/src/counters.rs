//! What has been counted since the platform started.

use std::sync::atomic::{AtomicU64, Ordering};

/// Defines counters once, as atomics and as their reading.
macro_rules! counters {
    ($(#[$meta:meta])* $growing:ident, $reading:ident { $($(#[$doc:meta])* $name:ident),+ $(,)? }) => {
        /// The counts as they grow.
        #[derive(Debug, Default)]
        pub(crate) struct $growing {
            $($(#[$doc])* pub(crate) $name: std::sync::atomic::AtomicU64),+
        }

        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $reading {
            $($(#[$doc])* pub $name: u64),+
        }

        impl $growing {
            pub(crate) fn read(&self) -> $reading {
                $reading { $($name: self.$name.load(std::sync::atomic::Ordering::Relaxed)),+ }
            }
        }
    };
}

pub(crate) use counters;

counters! {
    /// Counts, all from zero when the platform starts.
    Counters, Counts {
        /// Events accepted.
        events_accepted,
        /// Events that had been accepted before.
        events_repeated,
        /// Publications refused.
        events_refused,
        /// Deliveries made from accepted events.
        deliveries,
        /// Attempts that an app took.
        attempts_delivered,
        /// Attempts that failed.
        attempts_failed,
        /// Deliveries put off to a later try.
        deliveries_retried,
        /// Deliveries given up.
        deliveries_dead,
        /// Events deleted because they were old or too many.
        events_trimmed,
        /// Times the clock was found set back by a second or more.
        clock_set_back,
        /// Callbacks that an app answered.
        calls_answered,
        /// Callbacks that an app was asked and did not answer as it should.
        calls_failed,
        /// Callbacks that no app was asked.
        calls_refused,
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts `n` more.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
