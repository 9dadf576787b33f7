//! How much an app took lately.

use std::time::Duration;

/// A while: as long as a producer waits for room at most.
const WHILE: Duration = Duration::from_millis(250);

/// Counts what was taken, while by while.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    /// Which while it is, since the platform started.
    number: u128,
    taken: usize,
    taken_before: usize,
}

impl Rate {
    pub(super) fn took(&mut self, elapsed: Duration) {
        *self = self.at(elapsed);
        self.taken += 1;
    }

    /// What was taken in this while or the one before.
    pub(super) fn lately(&self, elapsed: Duration) -> usize {
        let now = self.at(elapsed);
        now.taken.max(now.taken_before)
    }

    fn at(self, elapsed: Duration) -> Self {
        let number = elapsed.as_nanos() / WHILE.as_nanos();
        match number.saturating_sub(self.number) {
            0 => self,
            1 => Self {
                number,
                taken: 0,
                taken_before: self.taken,
            },
            _ => Self {
                number,
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_counts_for_a_while_and_the_next() {
        let mut rate = Rate::default();
        let at = WHILE * 9;
        assert_eq!(rate.lately(at), 0);
        for n in 0..50 {
            rate.took(at + Duration::from_millis(n));
        }
        assert_eq!(rate.lately(at + WHILE / 2), 50);
        rate.took(at + WHILE);
        assert_eq!(rate.lately(at + WHILE), 50);
        assert_eq!(rate.lately(at + WHILE * 2), 1);
        assert_eq!(rate.lately(at + WHILE * 3), 0);
    }
}
