//! So many a second, and no more than so many at once: the generic cell rate algorithm, which needs one number.
//!
//! <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>

use std::time::Duration;

/// How far ahead of its time an app is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When everything taken so far would have been due at an even pace.
    spent_until: Duration,
}

/// A rate: so many a second, of which so many may come at once.
type Rate = (u32, u32);

fn interval((per_second, _): Rate) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

/// How far ahead one may get.
fn tolerance(rate: Rate) -> Duration {
    interval(rate) * rate.1.saturating_sub(1)
}

impl Pace {
    /// How many may go now.
    pub(super) fn allowed(&self, rate: Rate, elapsed: Duration) -> usize {
        let ahead = self.spent_until.saturating_sub(elapsed);
        match tolerance(rate).checked_sub(ahead) {
            Some(left) => usize::try_from(left.as_nanos() / interval(rate).as_nanos().max(1)).unwrap_or(usize::MAX) + 1,
            None => 0,
        }
    }

    /// These many go.
    pub(super) fn take(&mut self, rate: Rate, n: usize, elapsed: Duration) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.spent_until = self.spent_until.max(elapsed) + interval(rate) * n;
    }

    /// These many did not go after all.
    pub(super) fn refund(&mut self, rate: Rate, n: usize) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.spent_until = self.spent_until.saturating_sub(interval(rate) * n);
    }

    /// When the next may go; `None` means now.
    pub(super) fn next(&self, rate: Rate, elapsed: Duration) -> Option<Duration> {
        let at = self.spent_until.saturating_sub(tolerance(rate));
        (at > elapsed).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ten_a_second_are_ten_at_once_and_then_one_every_tenth() {
        let (mut pace, rate) = (Pace::default(), (10, 10));
        assert_eq!(pace.allowed(rate, SECOND), 10);
        pace.take(rate, 10, SECOND);
        assert_eq!(pace.allowed(rate, SECOND), 0);
        let next = pace.next(rate, SECOND).unwrap();
        assert_eq!(next, SECOND + Duration::from_millis(100));
        assert_eq!((pace.allowed(rate, next), pace.next(rate, next)), (1, None));
        assert_eq!(pace.allowed(rate, SECOND * 2), 10);
    }

    #[test]
    fn what_did_not_go_can_go_later() {
        let (mut pace, rate) = (Pace::default(), (10, 10));
        pace.take(rate, 10, SECOND);
        pace.refund(rate, 4);
        assert_eq!(pace.allowed(rate, SECOND), 4);
    }
}
