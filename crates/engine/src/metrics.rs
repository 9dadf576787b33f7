//! What is measured besides the counts: how long things take, how pushes end, what waits for whom.
//!
//! Measuring is a few atomics on the way of an event. Names and text for a monitoring system are the server's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use larkspur_store::{Backlog, Histogram, HistogramReading, LONG, Mode, SHORT, StoreError, Writing};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::counters::count;
use crate::engine::Engine;
use crate::push::Pushed;

/// Who asks again within this time is told the same.
const QUEUE_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Counting takes a while when a million rows are there; at most this part of the time goes into it.
const QUEUE_SHARE: u32 = 20;

/// How a push ended, as far as it says who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app took it.
    Delivered,
    /// The app answered something else.
    Refused,
    /// The app could not be reached, or did not answer in time.
    Unanswered,
    /// There was nowhere to push to: no session, no URL, or the app may not have the event any more.
    NotSent,
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Delivered,
    Outcome::Refused,
    Outcome::Unanswered,
    Outcome::NotSent,
];

/// What was measured of one mode's pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushMeasures {
    /// Which.
    pub mode: Mode,
    /// How many ended how.
    pub outcomes: [(Outcome, u64); OUTCOMES.len()],
    /// How long those took that were sent, until the answer or the deadline.
    pub took: HistogramReading,
}

/// What was measured since the platform started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measures {
    /// When that was, by the machine's own clock, since 1970.
    pub started_at: Duration,
    /// How long accepting took, from a publish to its commit, once for each batch.
    pub accepted_after: HistogramReading,
    /// How long after its event's commit each delivery was delivered, retries included.
    pub delivered_after: HistogramReading,
    /// The pushes of each mode.
    pub pushes: [PushMeasures; 2],
    /// Webhook answers that were not read to their end, for their size or time.
    pub answers_cut: u64,
    /// How writing to the store went.
    pub writing: Writing,
    /// Deliveries that are in memory: on their way, or next for their app.
    pub in_memory: usize,
    /// Attempts that wait to be written down.
    pub unsettled: usize,
}

/// What is on disk and not delivered, a few seconds old at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Every app that something is pending for, in order of id.
    pub apps: Vec<Backlog>,
    /// Deliveries given up.
    pub dead: u64,
}

#[derive(Debug)]
struct Pushes {
    outcomes: [AtomicU64; OUTCOMES.len()],
    took: Histogram,
}

impl Pushes {
    fn new() -> Self {
        Self {
            outcomes: <[AtomicU64; OUTCOMES.len()]>::default(),
            took: Histogram::new(SHORT),
        }
    }

    fn read(&self, mode: Mode) -> PushMeasures {
        PushMeasures {
            mode,
            outcomes: OUTCOMES.map(|outcome| (outcome, self.outcomes[outcome as usize].load(Relaxed))),
            took: self.took.read(),
        }
    }
}

/// The measurements as they grow.
#[derive(Debug)]
pub(crate) struct Metrics {
    started_at: Duration,
    pub(crate) accepted_after: Histogram,
    pub(crate) delivered_after: Histogram,
    webhook: Pushes,
    websocket: Pushes,
    /// Until when it is good, and what it was.
    queue: Mutex<Option<(Instant, Arc<Queue>)>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            started_at: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            accepted_after: Histogram::new(SHORT),
            delivered_after: Histogram::new(LONG),
            webhook: Pushes::new(),
            websocket: Pushes::new(),
            queue: Mutex::default(),
        }
    }

    /// Counts one push.
    pub(crate) fn pushed(&self, pushed: &Pushed) {
        let of_mode = match pushed.mode {
            Mode::Webhook => &self.webhook,
            Mode::Websocket => &self.websocket,
        };
        let outcome = match (&pushed.outcome, pushed.code) {
            (Ok(()), _) => Outcome::Delivered,
            (Err(_), Some(_)) => Outcome::Refused,
            (Err(_), None) if pushed.target.is_empty() => Outcome::NotSent,
            (Err(_), None) => Outcome::Unanswered,
        };
        count(&of_mode.outcomes[outcome as usize]);
        if outcome != Outcome::NotSent {
            of_mode.took.add(pushed.took);
        }
    }
}

impl Engine {
    /// What was measured since the start.
    pub fn measures(&self) -> Measures {
        let metrics = self.metrics();
        Measures {
            started_at: metrics.started_at,
            accepted_after: metrics.accepted_after.read(),
            delivered_after: metrics.delivered_after.read(),
            pushes: [
                metrics.webhook.read(Mode::Webhook),
                metrics.websocket.read(Mode::Websocket),
            ],
            answers_cut: self.webhook().answers_cut(),
            writing: self.store().writing(),
            in_memory: self.flights().in_memory(),
            unsettled: self.unsettled(),
        }
    }

    /// What is on disk and not delivered.
    pub async fn queue(&self) -> Result<Arc<Queue>, StoreError> {
        let mut last = self.metrics().queue.lock().await;
        if let Some((good_until, queue)) = &*last
            && Instant::now() < *good_until
        {
            return Ok(Arc::clone(queue));
        }
        let started = Instant::now();
        let queue = Arc::new(Queue {
            apps: self.store().backlog().await?,
            dead: self.store().depth().await?.dead,
        });
        let good_for = QUEUE_AGAIN_AFTER.max(started.elapsed() * QUEUE_SHARE);
        *last = Some((Instant::now() + good_for, Arc::clone(&queue)));
        Ok(queue)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_outcome_says_whose_fault_it_is() {
        let metrics = Metrics::new();
        let push = |outcome: Result<(), String>, code, target: &str| {
            metrics.pushed(&Pushed {
                mode: Mode::Webhook,
                target: target.to_owned(),
                code,
                took: Duration::from_millis(3),
                answer: Bytes::new(),
                outcome,
            });
        };
        push(Ok(()), Some(200), "there");
        push(Err("status 500".to_owned()), Some(500), "there");
        push(Err("no answer".to_owned()), None, "there");
        push(Err("no session".to_owned()), None, "");
        let read = metrics.webhook.read(Mode::Webhook);
        assert_eq!(read.outcomes, OUTCOMES.map(|outcome| (outcome, 1)));
        assert_eq!(read.took.count(), 3, "what was not sent took no time");
        assert_eq!(metrics.websocket.read(Mode::Websocket).took.count(), 0);
    }
}
