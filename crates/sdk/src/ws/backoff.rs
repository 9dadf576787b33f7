//! How long to wait before the next try: what the platform's configuration says, within bounds, and never the same for
//! two clients. Pure: randomness is an argument.

use std::ops::RangeInclusive;
use std::time::Duration;

use larkspur_wire::endpoint::ClientConfig;

use super::trouble::Severity;

/// Until the platform has said anything, the first wait is about this long, and each one doubles it.
const UNTOLD: Duration = Duration::from_secs(1);
/// A platform that says that it is busy is left alone for longer.
const UNTOLD_BUSY: Duration = Duration::from_secs(4);
/// Until the platform has said anything, waits do not grow beyond its usual interval.
const UNTOLD_MAX: Duration = Duration::from_mins(2);
/// Waits differ by up to this part of themselves, so that clients that were cut together do not come back together.
const JITTER: f64 = 0.25;
/// A wait is doubled at most so often; all bounds are reached by then.
const DOUBLINGS_MAX: u32 = 16;

/// What the platform asked for, and the bounds we keep whatever it asks for.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    config: Option<ClientConfig>,
    bounds: RangeInclusive<Duration>,
}

impl Backoff {
    /// Before the platform has said anything.
    pub(super) fn new(bounds: RangeInclusive<Duration>) -> Self {
        Self { config: None, bounds }
    }

    /// The platform's configuration.
    pub(super) fn told(&mut self, config: ClientConfig) {
        self.config = Some(config);
    }

    /// A pong brought a new configuration; what makes no sense in it is ignored.
    pub(super) fn update(&mut self, json: &[u8]) {
        self.config.get_or_insert_default().update(json);
    }

    pub(super) fn config(&self) -> ClientConfig {
        self.config.unwrap_or_default()
    }

    /// Whether the platform allows no further try after so many.
    pub(super) fn is_exhausted(&self, tries: u32) -> bool {
        u32::try_from(self.config().reconnect_count).is_ok_and(|count| tries >= count)
    }

    /// The wait after a connection was lost: spread over the platform's nonce; and when connections do not last, one
    /// that doubles with each, up to the interval. `random` lies in 0..1.
    pub(super) fn after_loss(&self, short_lived: u32, random: f64) -> Duration {
        let config = self.config();
        let spread = seconds(config.reconnect_nonce).mul_f64(random);
        let interval = seconds(config.reconnect_interval);
        let growing = doubled(*self.bounds.start(), short_lived).min(interval);
        self.bounded(spread.max(growing))
    }

    /// The wait after the `tries`-th try in a row has failed. `random` lies in 0..1.
    pub(super) fn after_failure(&self, tries: u32, severity: Severity, random: f64) -> Duration {
        let before = tries.saturating_sub(1);
        let is_busy = severity != Severity::Retry;
        let wait = match self.config {
            // Nobody has come far enough to be told: a first start, often beside a platform that starts as well.
            None => doubled(if is_busy { UNTOLD_BUSY } else { UNTOLD }, before).min(UNTOLD_MAX),
            Some(config) if is_busy => doubled(seconds(config.reconnect_interval), before),
            Some(config) => seconds(config.reconnect_interval),
        };
        // The bound comes first, so that also the longest waits differ.
        self.bounded(self.bounded(wait).mul_f64(1.0 - JITTER * random))
    }

    fn bounded(&self, wait: Duration) -> Duration {
        wait.min(*self.bounds.end()).max(*self.bounds.start())
    }
}

fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(1 << times.min(DOUBLINGS_MAX))
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_mins(5);

    fn told(reconnect_count: i64, reconnect_interval: i64, reconnect_nonce: i64) -> Backoff {
        let mut backoff = Backoff::new(WAITS);
        backoff.told(ClientConfig {
            reconnect_count,
            reconnect_interval,
            reconnect_nonce,
            ping_interval: 120,
        });
        backoff
    }

    fn seconds_after(backoff: &Backoff, severity: Severity) -> Vec<f32> {
        let wait = |tries| backoff.after_failure(tries, severity, 0.0).as_secs_f32();
        (1..=5).map(wait).collect()
    }

    #[test]
    fn a_lost_connection_comes_back_at_a_random_time_within_the_nonce() {
        let backoff = told(-1, 120, 30);
        assert_eq!(backoff.after_loss(0, 0.5), Duration::from_secs(15));
        assert_eq!(backoff.after_loss(0, 0.0), *WAITS.start());
    }

    #[test]
    fn connections_that_do_not_last_come_back_ever_later_up_to_the_interval() {
        let backoff = told(-1, 3, 0);
        let waits: Vec<_> = (0..6).map(|n| backoff.after_loss(n, 0.5).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 3_000, 3_000]);
    }

    #[test]
    fn failed_tries_keep_the_interval_and_a_busy_platform_is_left_alone_for_longer() {
        let backoff = told(-1, 40, 0);
        assert_eq!(seconds_after(&backoff, Severity::Retry), [40.0; 5]);
        assert_eq!(
            seconds_after(&backoff, Severity::BackOff),
            [40.0, 80.0, 160.0, 300.0, 300.0]
        );
    }

    #[test]
    fn before_the_platform_has_said_anything_waits_grow_from_a_second() {
        let backoff = Backoff::new(WAITS);
        assert_eq!(seconds_after(&backoff, Severity::Retry), [1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(backoff.after_failure(99, Severity::Retry, 0.0), UNTOLD_MAX);
    }

    #[test]
    fn waits_differ_from_client_to_client_also_at_the_bounds() {
        let backoff = told(-1, 99_999, 0);
        let shortest = backoff.after_failure(7, Severity::BackOff, 0.999);
        assert!(
            shortest < Duration::from_secs(226) && shortest >= Duration::from_secs(225),
            "{shortest:?}"
        );
        assert_eq!(backoff.after_failure(7, Severity::BackOff, 0.0), *WAITS.end());
    }

    #[test]
    fn a_configuration_of_zeros_is_ignored() {
        let mut backoff = told(-1, 7, 0);
        backoff.update(br#"{"ReconnectCount":0,"ReconnectInterval":0,"PingInterval":0}"#);
        assert_eq!(backoff.config().ping_interval, 120);
        assert_eq!(seconds_after(&backoff, Severity::Retry), [7.0; 5]);
        assert!(!backoff.is_exhausted(1_000));
    }

    #[test]
    fn the_platform_may_bound_the_tries() {
        let backoff = told(2, 7, 0);
        assert!(!backoff.is_exhausted(1) && backoff.is_exhausted(2));
    }
}
