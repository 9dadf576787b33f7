//! How many events came and what became of them: numbers to look at, and with the feature `metrics` the same as metrics.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "metrics")]
use std::time::Duration;

use crate::delivery::Meta;
use crate::dispatch::Outcome;

/// Types whose drift was logged that are remembered, so that each is logged once.
const DRIFTED_TYPES_MAX: usize = 1_000;

/// How many events a router has seen, and what became of them; see [`Router::tally`](crate::Router::tally). Cheap to
/// clone, and goes on counting.
///
/// With the feature `metrics`, the facade of the `metrics` crate is told the same:
///
/// * `larkspur_events_total`, by `event_type` and `outcome`: `handled`, `stored`, `repeated`, `stale`, `unhandled`,
///   `failed`;
/// * `larkspur_handler_seconds`, by `event_type`;
/// * `larkspur_drift_total`, by `event_type`;
/// * `larkspur_webhook_refused_total`, by the `step` that failed.
#[derive(Clone, Default)]
pub struct Tally {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    handled: AtomicU64,
    stored: AtomicU64,
    repeated: AtomicU64,
    stale: AtomicU64,
    unhandled: AtomicU64,
    failed: AtomicU64,
    drifted: AtomicU64,
    refused: AtomicU64,
    /// Types whose drift was logged.
    known: Mutex<BTreeSet<String>>,
}

impl Tally {
    /// Events that a handler took.
    pub fn handled(&self) -> u64 {
        self.inner.handled.load(Ordering::Relaxed)
    }

    /// Events that an inbox took.
    pub fn stored(&self) -> u64 {
        self.inner.stored.load(Ordering::Relaxed)
    }

    /// Events that had been handled before.
    pub fn repeated(&self) -> u64 {
        self.inner.repeated.load(Ordering::Relaxed)
    }

    /// Events that were dropped because of their age.
    pub fn stale(&self) -> u64 {
        self.inner.stale.load(Ordering::Relaxed)
    }

    /// Events that no handler was there for, refused ones included.
    pub fn unhandled(&self) -> u64 {
        self.inner.unhandled.load(Ordering::Relaxed)
    }

    /// Events that the platform was asked to push again, other than for want of a handler.
    pub fn failed(&self) -> u64 {
        self.inner.failed.load(Ordering::Relaxed)
    }

    /// Members of payloads that have no place in the structs: the catalogue does not list them, or with another type.
    pub fn drifted(&self) -> u64 {
        self.inner.drifted.load(Ordering::Relaxed)
    }

    /// Requests that the webhook refused.
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, outcome: &Outcome, meta: &Meta) {
        let inner = &*self.inner;
        let (counter, name) = match outcome {
            Outcome::Handled(_) => (&inner.handled, "handled"),
            Outcome::Stored => (&inner.stored, "stored"),
            Outcome::Repeated => (&inner.repeated, "repeated"),
            Outcome::Stale => (&inner.stale, "stale"),
            Outcome::NoHandler | Outcome::Failed(crate::dispatch::Failure::NoHandler) => {
                (&inner.unhandled, "unhandled")
            }
            Outcome::Failed(_) => (&inner.failed, "failed"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        metric::event(meta, name);
    }

    /// A handler ran for so long.
    #[cfg(feature = "metrics")]
    pub(crate) fn took(meta: &Meta, time: Duration) {
        metric::took(meta, time);
    }

    /// An event had members at these paths that have no place in its struct.
    pub(crate) fn drift(&self, meta: &Meta, paths: &[String]) {
        let count = u64::try_from(paths.len()).unwrap_or(u64::MAX);
        self.inner.drifted.fetch_add(count, Ordering::Relaxed);
        metric::drift(meta, count);
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !known.contains(&meta.event_type)
            && known.len() < DRIFTED_TYPES_MAX
            && known.insert(meta.event_type.clone());
        if is_new {
            tracing::info!(
                event.id = %meta.event_id,
                "`{}` has members that its struct does not: {}", meta.event_type, paths.join(", ")
            );
        }
    }

    /// The webhook refused a request at this step; answers how many it has refused.
    #[cfg(feature = "webhook")]
    pub(crate) fn refuse(&self, step: &'static str) -> u64 {
        metric::refused(step);
        self.inner.refused.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally")
            .field("handled", &self.handled())
            .field("stored", &self.stored())
            .field("repeated", &self.repeated())
            .field("stale", &self.stale())
            .field("unhandled", &self.unhandled())
            .field("failed", &self.failed())
            .field("drifted", &self.drifted())
            .field("refused", &self.refused())
            .finish()
    }
}

#[cfg(feature = "metrics")]
mod metric {
    use std::time::Duration;

    use crate::delivery::Meta;

    pub(super) fn event(meta: &Meta, outcome: &'static str) {
        let event_type = meta.event_type.clone();
        metrics::counter!("larkspur_events_total", "event_type" => event_type, "outcome" => outcome).increment(1);
    }

    pub(super) fn took(meta: &Meta, time: Duration) {
        let event_type = meta.event_type.clone();
        metrics::histogram!("larkspur_handler_seconds", "event_type" => event_type).record(time);
    }

    pub(super) fn drift(meta: &Meta, count: u64) {
        let event_type = meta.event_type.clone();
        metrics::counter!("larkspur_drift_total", "event_type" => event_type).increment(count);
    }

    #[cfg(feature = "webhook")]
    pub(super) fn refused(step: &'static str) {
        metrics::counter!("larkspur_webhook_refused_total", "step" => step).increment(1);
    }
}

/// Nobody asked for metrics.
#[cfg(not(feature = "metrics"))]
mod metric {
    use crate::delivery::Meta;

    pub(super) fn event(_: &Meta, _: &'static str) {}

    pub(super) fn drift(_: &Meta, _: u64) {}

    #[cfg(feature = "webhook")]
    pub(super) fn refused(_: &'static str) {}
}
