//! Compares what producers were promised with what arrived: nothing lost, nothing invented, and how long it took.

use std::collections::HashSet;

use anyhow::{Result, bail};

/// Which apps get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All of them.
    Every,
    /// One: the event's number modulo `apps`, from `first` on.
    InTurn { first: usize, apps: usize },
}

/// One load and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison<'a> {
    /// For each event, when it was sent and when it was acknowledged; 0 for never.
    pub(crate) times_ns: &'a [[u64; 2]],
    /// The number of the first of them.
    pub(crate) first_seq: u64,
    /// By event and app, when it arrived; 0 for never.
    pub(crate) arrived_ns: &'a [u64],
    pub(crate) apps: usize,
    pub(crate) route: Route,
    /// Apps that are not expected to get what they should.
    pub(crate) in_trouble: &'a HashSet<usize>,
}

/// Durations in nanoseconds, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<u64>);

/// What the comparison showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    pub(crate) acked: u64,
    /// Arrivals of acknowledged events.
    pub(crate) delivered: u64,
    pub(crate) last_ns: u64,
    /// From sending to the acknowledgement.
    pub(crate) accept: Times,
    /// From the acknowledgement to the arrival; 0 for one that came before.
    pub(crate) receipt: Times,
    /// From sending to the arrival.
    pub(crate) whole: Times,
}

impl Times {
    pub(crate) fn new(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that this share of all stays below, in milliseconds.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index below the length"
        )]
        let at = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
        self.0.get(at).map_or(0.0, |ns| ms(*ns))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations of a measurement are far below 2⁵³ ns"
)]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

impl Comparison<'_> {
    /// Whether an app should get an event.
    fn expects(&self, seq: u64, app: usize) -> bool {
        match self.route {
            Route::Every => true,
            Route::InTurn { first, apps } => app == first + index(seq) % apps,
        }
    }

    /// Fails when an acknowledged event did not arrive, or something arrived that nobody sent.
    pub(crate) fn judge(&self) -> Result<Judged> {
        let mut judged = Judged::default();
        let (mut accept, mut receipt, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lost, mut invented) = (0_u64, 0_u64);
        let first_cell = index(self.first_seq) * self.apps;
        for (n, [sent_ns, acked_ns]) in self.times_ns.iter().copied().enumerate() {
            let seq = self.first_seq + n as u64;
            if acked_ns > 0 {
                judged.acked += 1;
                accept.push(acked_ns - sent_ns);
            }
            for app in 0..self.apps {
                let arrived_ns = self
                    .arrived_ns
                    .get(first_cell + n * self.apps + app)
                    .copied()
                    .unwrap_or_default();
                let expected = self.expects(seq, app);
                if arrived_ns > 0 {
                    invented += u64::from(sent_ns == 0 || !expected);
                }
                if acked_ns == 0 || !expected || self.in_trouble.contains(&app) {
                    continue;
                }
                if arrived_ns == 0 {
                    lost += 1;
                    continue;
                }
                judged.delivered += 1;
                judged.last_ns = judged.last_ns.max(arrived_ns);
                receipt.push(arrived_ns.saturating_sub(acked_ns));
                whole.push(arrived_ns.saturating_sub(sent_ns));
            }
        }
        let after = first_cell + self.times_ns.len() * self.apps;
        let beyond = self.arrived_ns.get(after..).unwrap_or_default();
        invented += beyond.iter().filter(|ns| **ns > 0).count() as u64;
        if lost > 0 || invented > 0 {
            bail!(
                "of {} acknowledged events, {lost} deliveries were lost and {invented} were invented",
                judged.acked
            );
        }
        (judged.accept, judged.receipt, judged.whole) = (Times::new(accept), Times::new(receipt), Times::new(whole));
        Ok(judged)
    }
}

fn index(seq: u64) -> usize {
    usize::try_from(seq).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(arrived_ns: &[u64], route: Route) -> Result<Judged> {
        Comparison {
            times_ns: &[[10, 20], [11, 0], [12, 22]],
            first_seq: 0,
            arrived_ns,
            apps: 2,
            route,
            in_trouble: &HashSet::new(),
        }
        .judge()
    }

    #[test]
    fn all_that_was_acknowledged_must_arrive_everywhere() {
        let judged = judge(&[30, 31, 0, 0, 32, 40], Route::Every).unwrap();
        assert_eq!((judged.acked, judged.delivered, judged.last_ns), (2, 4, 40));
        assert!(judge(&[30, 31, 0, 0, 0, 33], Route::Every).is_err());
        assert!(judge(&[], Route::Every).is_err());
    }

    #[test]
    fn an_arrival_at_the_wrong_app_or_of_an_unsent_event_is_invented() {
        let in_turn = Route::InTurn { first: 0, apps: 2 };
        assert!(judge(&[30, 0, 0, 31, 32, 0], in_turn).is_ok());
        assert!(judge(&[30, 31, 0, 0, 32, 0], in_turn).is_err());
        assert!(judge(&[30, 0, 0, 0, 32, 0, 33, 0], in_turn).is_err());
    }

    #[test]
    fn percentiles_are_exact() {
        let times = Times::new((1..=100).map(|n| n * 1_000_000).collect());
        assert_eq!(
            [times.ms(0.5), times.ms(0.99), times.ms(1.0)].map(f64::to_bits),
            [50.0, 99.0, 100.0].map(f64::to_bits)
        );
        assert!(Times::default().ms(0.5).abs() < f64::EPSILON);
    }
}
