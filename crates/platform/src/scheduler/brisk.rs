//! Whether an app takes what it gets so fast that waiting for it is worth it.

use std::time::Duration;

/// An app that takes so many within [`WITHIN`] is brisk, for as long again.
const TAKEN: u32 = 256;
const WITHIN: Duration = Duration::from_millis(250);

/// How fast an app took what it got lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brisk {
    taken: u32,
    since: Duration,
    until: Duration,
    last: Option<Duration>,
}

impl Brisk {
    /// It took one. Answers whether it has been found to be brisk just now.
    pub(super) fn took(&mut self, elapsed: Duration) -> bool {
        self.taken += 1;
        self.last = Some(elapsed);
        if self.taken < TAKEN {
            return false;
        }
        let is_brisk = elapsed.saturating_sub(self.since) <= WITHIN;
        if is_brisk {
            self.until = elapsed + WITHIN;
        }
        (self.taken, self.since) = (0, elapsed);
        is_brisk
    }

    pub(super) fn is(&self, elapsed: Duration) -> bool {
        elapsed < self.until
    }

    /// Whether it took anything lately.
    pub(super) fn takes(&self, elapsed: Duration) -> bool {
        self.last.is_some_and(|last| elapsed.saturating_sub(last) <= WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(brisk: &mut Brisk, n: u32, every: Duration, mut elapsed: Duration) -> Duration {
        for _ in 0..n {
            elapsed += every;
            brisk.took(elapsed);
        }
        elapsed
    }

    #[test]
    fn whoever_takes_a_thousand_a_second_is_brisk_until_it_stops() {
        let mut brisk = Brisk::default();
        let at = take(
            &mut brisk,
            TAKEN * 2,
            Duration::from_micros(900),
            Duration::from_secs(9),
        );
        assert!(brisk.is(at));
        assert!(brisk.is(at + WITHIN / 2));
        assert!(!brisk.is(at + WITHIN));
        let at = take(&mut brisk, TAKEN * 2, Duration::from_micros(1_100), at + WITHIN);
        assert!(!brisk.is(at));
    }
}
