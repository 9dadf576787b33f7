//! A rate that several share: whoever takes, makes all wait for as long as that is worth.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// So many a second, on average.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            free_at: Mutex::default(),
        }
    }

    /// Waits until what was taken is paid for.
    pub(super) async fn turn(&self) {
        loop {
            let free_at = *self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            match free_at {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => return,
            }
        }
    }

    /// Takes this many.
    pub(super) fn spend(&self, n: usize) {
        let one = Duration::from_secs(1) / self.per_second;
        let worth = one.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = Some(free_at.map_or(now, |at| at.max(now)) + worth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_at_once_is_waited_for_by_all() {
        let pace = Pace::new(10);
        let started = Instant::now();
        pace.turn().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        pace.spend(5);
        pace.spend(5);
        pace.turn().await;
        assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
        // What was not used is not saved up.
        tokio::time::advance(Duration::from_mins(1)).await;
        pace.spend(10);
        let started = Instant::now();
        pace.turn().await;
        assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
