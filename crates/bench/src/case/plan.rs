//! A load, and what it came to.

use std::collections::HashSet;
use std::time::Duration;

use crate::judge::{Judged, Route};
use crate::report::{Figures, count};

/// A load.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) producers: usize,
    pub(super) batch: u64,
    pub(super) rate: Option<f64>,
    pub(super) seconds: f64,
    pub(super) events_max: u64,
    pub(super) route: Route,
    /// Apps that are not expected to get what they should.
    pub(super) in_trouble: HashSet<usize>,
    /// Whether the platform's counts and log must say the same; not where trouble leaves deliveries undone.
    pub(super) compared: bool,
}

/// What a load came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) judged: Judged,
    /// The platform's, until all had arrived.
    pub(super) cpu: Duration,
    /// From the first request to the last arrival.
    pub(super) seconds: f64,
    pub(super) accepted_per_s: f64,
    pub(super) throttled: u64,
    pub(super) repeats: u64,
    pub(super) sink_cpu: Duration,
    /// What the platform held in memory at the end of the load.
    pub(super) pss_bytes: u64,
}

impl Plan {
    /// One event a request, one app.
    pub(super) fn single(seconds: f64) -> Self {
        Self {
            producers: 64,
            batch: 1,
            rate: None,
            seconds,
            events_max: u64::MAX,
            route: Route::InTurn { first: 0, apps: 1 },
            in_trouble: HashSet::new(),
            compared: true,
        }
    }

    /// A hundred events a request, one app.
    pub(super) fn ndjson(seconds: f64) -> Self {
        Self {
            producers: 8,
            batch: 100,
            ..Self::single(seconds)
        }
    }
}

impl Outcome {
    /// The figures that most cases have; times are from the acknowledgement to the arrival.
    pub(super) fn figures(&self, floor_per_s: f64) -> Figures {
        let delivered = self.judged.delivered;
        let figures = Figures {
            case: String::new(),
            delivered_per_s: per(delivered, self.seconds),
            p50_ms: self.judged.receipt.ms(0.5),
            p99_ms: self.judged.receipt.ms(0.99),
            cpu_us_per_event: self.cpu_us_per_delivery(),
            floor_per_s,
            ..Figures::default()
        };
        figures
            .with("accepted_per_s", self.accepted_per_s)
            .with("accept_p50_ms", self.judged.accept.ms(0.5))
            .with("accept_p99_ms", self.judged.accept.ms(0.99))
            .with("sent_to_receipt_p50_ms", self.judged.whole.ms(0.5))
            .with("sent_to_receipt_p99_ms", self.judged.whole.ms(0.99))
            .with("throttled", count(self.throttled))
            .with("repeats", count(self.repeats))
            .with("sink_cpu_us_per_event", micros(self.sink_cpu) / count(delivered.max(1)))
            .with("pss_mib", mib(self.pss_bytes))
    }

    fn cpu_us_per_delivery(&self) -> f64 {
        micros(self.cpu) / count(self.judged.delivered.max(1))
    }
}

pub(super) fn mib(bytes: u64) -> f64 {
    count(bytes) / f64::from(1 << 20)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(super) fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    Duration::from_nanos(to_ns.saturating_sub(from_ns)).as_secs_f64()
}

pub(super) fn per(n: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count(n) / seconds } else { 0.0 }
}
