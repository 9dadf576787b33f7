//! A delivery in memory, from its lease to its settlement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larkspur_store::{Claim, DeliveryId, EventRow, NewDelivery};
use larkspur_wire::{AppId, TimestampMs};

/// A delivery that this node has leased.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) id: DeliveryId,
    pub(crate) app_id: AppId,
    pub(crate) withheld: Vec<String>,
    pub(crate) attempts_before: u32,
    pub(crate) generation: u32,
    pub(crate) in_order: bool,
    pub(crate) event: Arc<EventRow>,
    /// When it was accepted, if that was in this process.
    since: Option<Instant>,
}

impl Leased {
    /// A delivery that was accepted just now.
    pub(crate) fn first(delivery: NewDelivery, event: Arc<EventRow>) -> Self {
        let NewDelivery {
            id, app_id, withheld, ..
        } = delivery;
        Self {
            id,
            app_id,
            withheld,
            attempts_before: 0,
            generation: 1,
            in_order: false,
            event,
            since: Some(Instant::now()),
        }
    }

    /// How long ago the event was accepted: to the microsecond, or for an older one to the millisecond.
    pub(crate) fn age(&self, now: TimestampMs) -> Duration {
        let age_ms = u64::try_from(now.0.saturating_sub(self.event.accepted_at.0)).unwrap_or_default();
        self.since
            .map_or(Duration::from_millis(age_ms), |since| since.elapsed())
    }

    /// Names what is done for this delivery in logs and traces. Never the payload.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "push",
            event.id = %self.event.id,
            delivery.id = %self.id,
            app.id = %self.app_id,
            attempt = self.attempts_before.saturating_add(1),
        )
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.event.payload.len()
    }

    /// A delivery that was claimed because it is due.
    pub(crate) fn again(claim: Claim) -> Self {
        let Claim { delivery, event } = claim;
        Self {
            id: delivery.id,
            app_id: delivery.app_id,
            withheld: delivery.withheld,
            attempts_before: delivery.attempts,
            generation: delivery.generation,
            in_order: delivery.in_order,
            event: Arc::new(event),
            since: None,
        }
    }
}
