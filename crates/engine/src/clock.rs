//! The platform's clock: the port through which schedules and ages read time, and one that can be moved.
//!
//! Deadlines of sockets, leases of tickets and pings do not use it: they run on real monotonic time, so that moving
//! the clock by six hours breaks no connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use larkspur_wire::TimestampMs;
use tokio::sync::Notify;

/// Tells the time that schedules and ages go by.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> TimestampMs;

    /// Returns once the time has come, at once when it has passed.
    async fn sleep_until(&self, at: TimestampMs);
}

/// Sleeping in steps of this length notices when the source jumps, as it does after a suspended machine wakes up.
const STEP_MAX: Duration = Duration::from_secs(30);

/// A clock that shows its source's time plus what it was moved by.
pub struct MovableClock {
    source: fn() -> TimestampMs,
    ahead_ms: AtomicI64,
    moved: Notify,
}

impl MovableClock {
    /// A clock that agrees with its source until it is moved.
    pub fn new(source: fn() -> TimestampMs) -> Arc<Self> {
        Arc::new(Self {
            source,
            ahead_ms: AtomicI64::new(0),
            moved: Notify::new(),
        })
    }

    /// Moves the clock forward and wakes whoever waits for a time that has come now.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let moved = |ahead_ms: i64| Some(ahead_ms.saturating_add(by_ms));
        // The closure always answers, so the update always succeeds.
        let _ = self.ahead_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for MovableClock {
    fn now(&self) -> TimestampMs {
        TimestampMs((self.source)().0.saturating_add(self.ahead_ms.load(Ordering::Acquire)))
    }

    async fn sleep_until(&self, at: TimestampMs) {
        loop {
            // Registered before the time is read, so that a move in between is not missed.
            let moved = self.moved.notified();
            let left_ms = at.0.saturating_sub(self.now().0);
            let Ok(left_ms @ 1..) = u64::try_from(left_ms) else {
                return;
            };
            let step = Duration::from_millis(left_ms).min(STEP_MAX);
            tokio::select! {
                () = tokio::time::sleep(step) => {}
                () = moved => {}
            }
        }
    }
}

impl fmt::Debug for MovableClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovableClock")
            .field("ahead_ms", &self.ahead_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> TimestampMs {
        TimestampMs(1_700_000_000_000)
    }

    #[tokio::test]
    async fn six_hours_pass_when_the_clock_is_moved_by_six_hours() {
        let clock = MovableClock::new(noon);
        let six_hours = Duration::from_hours(6);
        let at = TimestampMs(noon().0 + 6 * 60 * 60 * 1_000);
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep_until(at).await }
        });
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(six_hours);
        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        let clock = MovableClock::new(noon);
        clock.sleep_until(TimestampMs(noon().0 - 1)).await;
        clock.sleep_until(noon()).await;
    }
}
