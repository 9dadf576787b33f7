//! Durations counted in buckets: a few atomics, no lock, and nothing is allocated when one is added.
//!
//! The store and the engine measure with it on every commit and every push. It keeps no single value, so that it
//! never grows, whether somebody reads it or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Up to ten seconds: what a commit, a request or a push takes.
pub const SHORT: &[Duration] = &[
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Up to a day: what lies between an event and its receipt, retries included. Coarser below a second.
pub const LONG: &[Duration] = &[
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(2),
    Duration::from_hours(8),
    Duration::from_hours(24),
];

/// Durations, by bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One for each bound, and one for what is longer than all of them.
    counts: Box<[AtomicU64]>,
    /// Wraps after 584 years.
    sum_ns: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramReading {
    /// Each bucket's longest duration, and how many fell into it and not into a shorter one.
    pub buckets: Vec<(Duration, u64)>,
    /// How many were longer than all of them.
    pub longer: u64,
    /// All of them together.
    pub sum: Duration,
}

impl Histogram {
    /// An empty one; `bounds` ascend.
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
        }
    }

    /// Counts one more.
    pub fn add(&self, took: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> HistogramReading {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HistogramReading {
            buckets: self.bounds.iter().copied().zip(self.counts.iter().map(count)).collect(),
            longer: self.counts.last().map_or(0, count),
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
        }
    }
}

impl HistogramReading {
    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_is_as_long() {
        let histogram = Histogram::new(SHORT);
        for took in [
            Duration::ZERO,
            SHORT[0],
            SHORT[0] + Duration::from_nanos(1),
            Duration::MAX,
        ] {
            histogram.add(took);
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets[0], (SHORT[0], 2));
        assert_eq!(reading.buckets[1], (SHORT[1], 1));
        assert_eq!((reading.longer, reading.count()), (1, 4));
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [SHORT, LONG] {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}
