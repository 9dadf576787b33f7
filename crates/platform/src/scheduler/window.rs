//! How many pushes to one app may be on their way at once: few at first, more while the app takes them, fewer as soon as
//! it does not.
//!
//! As in TCP's slow start and congestion window validation: <https://www.rfc-editor.org/rfc/rfc5681> and
//! <https://www.rfc-editor.org/rfc/rfc7661>.

use std::time::Duration;

/// An app of which nothing is known gets so many. Each may be a connection of its own, with its buffers, for as long as
/// the deadline of a push.
const START: usize = 8;
/// How far back it counts what an app needed. What it does not need it has not shown that it can take: a window that
/// was opened wide in a rush would let the next trouble hold as many connections.
const PERIOD: Duration = Duration::from_secs(1);

/// How a push ended, as far as it says how many more the app can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The app took it.
    Taken,
    /// The app answered something else, or there was nowhere to push to. It held nothing up, so that the app gets
    /// neither more nor less at once.
    Refused,
    /// The app did not answer in time, could not be reached, or said that it is too much. It gets half as many at once.
    Strained,
}

/// An app's window. The limits that somebody set are arguments, since they may change; it never exceeds them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    size: usize,
    /// The most that were on their way at once since `since`.
    needed: usize,
    since: Duration,
}

impl Window {
    /// The window of an app of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            size: START,
            needed: 0,
            since: Duration::ZERO,
        }
    }

    /// How many may be on their way.
    pub(super) fn size(&self, limit: usize) -> usize {
        self.size.min(limit)
    }

    /// Whether it is smaller than that of an app of which nothing is known.
    pub(super) fn is_narrow(&self, limit: usize) -> bool {
        self.size < START.min(limit)
    }

    /// With the push that begins now, so many are on their way.
    pub(super) fn began(&mut self, in_flight: usize) {
        self.needed = self.needed.max(in_flight);
    }

    /// The app took one of so many. Only a window that is used to the full grows: by one for each push, so that it
    /// doubles in the time of one.
    pub(super) fn widen(&mut self, in_flight: usize, limit: usize) {
        if in_flight >= self.size(limit) {
            self.size = (self.size(limit) + 1).min(limit);
        }
    }

    /// The app is in trouble: half of it, and one at least.
    pub(super) fn narrow(&mut self, limit: usize) {
        self.size = (self.size(limit) / 2).max(1);
    }

    /// The app may be well: at least the window of one of which nothing is known.
    pub(super) fn reopen(&mut self) {
        self.size = self.size.max(START);
    }

    /// Takes back what the app has not needed lately, with room for twice of what it has.
    pub(super) fn rest(&mut self, in_flight: usize, elapsed: Duration) {
        let passed = elapsed.saturating_sub(self.since);
        if passed < PERIOD {
            return;
        }
        let needed = if passed < PERIOD * 2 { self.needed } else { in_flight };
        self.size = self.size.min(needed.saturating_mul(2).max(START));
        (self.needed, self.since) = (in_flight, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100;

    /// As many as fit are on their way, and so many of them are taken while others take their slots.
    fn round(window: &mut Window, limit: usize) {
        for _ in 0..window.size(limit) {
            let in_flight = window.size(limit);
            window.began(in_flight);
            window.widen(in_flight, limit);
        }
    }

    fn wide() -> Window {
        let mut window = Window::new();
        (0..5).for_each(|_| round(&mut window, LIMIT));
        window
    }

    #[test]
    fn it_doubles_in_each_round_that_an_app_takes_up_to_the_limit() {
        let mut window = Window::new();
        let sizes = [8, 16, 32, 64, 100, 100].map(|expected| {
            let size = window.size(LIMIT);
            round(&mut window, LIMIT);
            (size, expected)
        });
        assert!(sizes.iter().all(|(size, expected)| size == expected), "{sizes:?}");
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let mut window = Window::new();
        (0..1_000).for_each(|_| window.widen(START - 1, LIMIT));
        assert_eq!(window.size(LIMIT), START);
    }

    #[test]
    fn seven_in_trouble_bring_a_hundred_down_to_one() {
        let mut window = wide();
        let sizes = [(); 8].map(|()| {
            window.narrow(LIMIT);
            window.size(LIMIT)
        });
        assert_eq!(sizes, [50, 25, 12, 6, 3, 1, 1, 1]);
        assert!(window.is_narrow(LIMIT));
        window.reopen();
        assert_eq!(window.size(LIMIT), START);
        assert!(!window.is_narrow(LIMIT));
    }

    #[test]
    fn what_was_not_needed_for_a_second_is_taken_back() {
        let mut window = wide();
        window.rest(0, PERIOD);
        assert_eq!(window.size(LIMIT), 100, "the second before, all of it was needed");
        window.began(20);
        window.rest(20, PERIOD * 2);
        assert_eq!(window.size(LIMIT), 40);
        window.rest(20, PERIOD * 10);
        assert_eq!(window.size(LIMIT), 40, "they are still on their way");
        window.rest(0, PERIOD * 20);
        assert_eq!(window.size(LIMIT), START);
    }

    #[test]
    fn a_narrow_window_stays_narrow_while_it_rests() {
        let mut window = Window::new();
        (0..3).for_each(|_| window.narrow(LIMIT));
        window.rest(0, PERIOD * 100);
        assert_eq!(window.size(LIMIT), 1);
    }

    #[test]
    fn a_limit_below_the_start_is_a_window_as_any_other() {
        let mut window = Window::new();
        assert_eq!((window.size(2), window.is_narrow(2)), (2, false));
        window.narrow(2);
        assert_eq!((window.size(2), window.is_narrow(2)), (1, true));
        round(&mut window, 2);
        assert_eq!((window.size(2), window.is_narrow(2)), (2, false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_it_is_at_least_one_and_at_most_the_limit(
            limit in 1_usize..300,
            steps in prop::collection::vec((0_u8..5, 0_usize..300, 0_u64..3_000), 0..400),
        ) {
            let (mut window, mut elapsed) = (Window::new(), Duration::ZERO);
            for (step, in_flight, ms) in steps {
                elapsed += Duration::from_millis(ms);
                match step {
                    0 => window.widen(in_flight, limit),
                    1 => window.narrow(limit),
                    2 => window.rest(in_flight, elapsed),
                    3 => window.began(in_flight),
                    _ => window.reopen(),
                }
                prop_assert!((1..=limit).contains(&window.size(limit)));
            }
        }

        #[test]
        fn a_healthy_app_has_all_of_its_limit_after_a_round_for_each_doubling(limit in 1_usize..10_000) {
            let mut window = Window::new();
            (0..7).for_each(|_| window.narrow(limit));
            (0..14).for_each(|_| round(&mut window, limit));
            prop_assert_eq!(window.size(limit), limit);
        }
    }
}
