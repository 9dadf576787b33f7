//! Signs of life on a connection, pure: when to ping, and when silence means that the connection is dead.

use std::time::{Duration, Instant};

use larkspur_wire::endpoint::ClientConfig;

/// Pings are at least this far apart, whatever the platform says.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// And at most this far, or a dead connection would be found too late.
const INTERVAL_MAX: Duration = Duration::from_mins(5);
/// Pongs may come this much later than they should.
const MARGIN_MAX: Duration = Duration::from_secs(10);

/// What a connection needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// A ping.
    Ping,
    /// Nothing before the next look at [`Heartbeat::due`].
    Rest,
    /// To be given up: nothing was heard for two pings and a margin.
    Dead,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Heartbeat {
    every: Duration,
    ping_at: Instant,
    heard_at: Instant,
    is_listening: bool,
}

impl Heartbeat {
    /// How often to ping by a configuration.
    pub(super) fn interval(config: &ClientConfig) -> Duration {
        let asked = u64::try_from(config.ping_interval).unwrap_or_default();
        Duration::from_secs(asked).clamp(INTERVAL_MIN, INTERVAL_MAX)
    }

    /// The first ping goes out at once.
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            ping_at: now,
            heard_at: now,
            is_listening: true,
        }
    }

    /// The platform changed how often to ping.
    pub(super) fn change(&mut self, every: Duration, now: Instant) {
        if every != self.every {
            self.every = every;
            self.ping_at = now + every;
        }
    }

    /// Something arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// We read nothing while handlers have more to do than they can. Silence says nothing then.
    pub(super) fn listens(&mut self, is_listening: bool, now: Instant) {
        if is_listening && !self.is_listening {
            self.heard_at = now;
        }
        self.is_listening = is_listening;
    }

    /// When to call [`Heartbeat::beat`] next.
    pub(super) fn due(&self) -> Instant {
        if self.is_listening {
            self.ping_at.min(self.heard_at + self.silence_max())
        } else {
            self.ping_at
        }
    }

    /// What the connection needs now.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        self.forgive_standstill(now);
        if self.is_listening && now >= self.heard_at + self.silence_max() {
            return Beat::Dead;
        }
        if now < self.ping_at {
            return Beat::Rest;
        }
        // Pings that were missed while the process stood still are not made up for.
        self.ping_at = now + self.every;
        Beat::Ping
    }

    /// A look that comes later than it was due means that this process stood still, and perhaps the platform with it: for
    /// so long silence says nothing, and then the platform has the margin to answer, but no more, since it may be gone.
    ///
    /// The time until the look was due counts, so that a few looks find death however late each of them is.
    fn forgive_standstill(&mut self, now: Instant) {
        let stood_still = now.saturating_duration_since(self.due());
        let silence = now.saturating_duration_since(self.heard_at);
        let before_margin = self.silence_max().saturating_sub(MARGIN_MAX);
        let counted = silence.saturating_sub(stood_still).max(before_margin);
        self.heard_at += silence.saturating_sub(counted);
    }

    /// How long silence is no sign of death.
    pub(super) fn silence_max(&self) -> Duration {
        self.every * 2 + (self.every / 2).clamp(INTERVAL_MIN, MARGIN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(2);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn pings_go_out_at_once_and_then_as_often_as_the_platform_says() {
        let start = Instant::now();
        let mut heart = Heartbeat::new(EVERY, start);
        assert_eq!((heart.due(), heart.beat(start)), (start, Beat::Ping));
        assert_eq!((heart.due(), heart.beat(at(start, 119))), (at(start, 120), Beat::Rest));
        assert_eq!(heart.beat(at(start, 120)), Beat::Ping);
        heart.heard(at(start, 121));
        heart.change(Duration::from_secs(3), at(start, 121));
        assert_eq!(heart.due(), at(start, 124));
    }

    /// When a connection on which nothing is heard any more is given up, if every look is as late as this.
    fn dead_at(heart: &mut Heartbeat, late: Duration) -> Instant {
        let look = |_| {
            let now = heart.due() + late;
            (heart.beat(now) == Beat::Dead).then_some(now)
        };
        (0..10).find_map(look).expect("it is given up")
    }

    #[test]
    fn silence_of_two_pings_and_a_margin_is_death_and_any_word_is_life() {
        let start = Instant::now();
        let mut heart = Heartbeat::new(EVERY, start);
        assert_eq!(heart.beat(start), Beat::Ping);
        heart.heard(at(start, 100));
        assert_eq!(dead_at(&mut heart, Duration::ZERO), at(start, 350));
    }

    #[test]
    fn silence_says_nothing_while_nobody_listens() {
        let start = Instant::now();
        let mut heart = Heartbeat::new(EVERY, start);
        heart.listens(false, start);
        for look in 0..10 {
            assert_eq!(heart.beat(at(start, look * 120)), Beat::Ping);
        }
        heart.listens(true, at(start, 1_100));
        assert_eq!(dead_at(&mut heart, Duration::ZERO), at(start, 1_350));
    }

    #[test]
    fn time_in_which_the_process_stood_still_is_no_silence() {
        let start = Instant::now();
        for (every, dead_after) in [(EVERY, 10), (INTERVAL_MIN, 2)] {
            let mut heart = Heartbeat::new(every, start);
            assert_eq!(heart.beat(start), Beat::Ping);
            assert_eq!(heart.beat(at(start, 1_000)), Beat::Ping);
            assert_eq!(dead_at(&mut heart, Duration::ZERO), at(start, 1_000 + dead_after));
        }
        // What is heard right after it was heard then and not later.
        let mut heart = Heartbeat::new(EVERY, start);
        heart.heard(at(start, 1_000));
        assert_eq!(heart.beat(at(start, 1_000)), Beat::Ping);
        assert_eq!(dead_at(&mut heart, Duration::ZERO), at(start, 1_250));
    }

    #[test]
    fn a_process_that_stands_still_before_every_look_finds_death_too() {
        let (start, late) = (Instant::now(), Duration::from_hours(1));
        let mut heart = Heartbeat::new(EVERY, start);
        assert_eq!(dead_at(&mut heart, late), at(start, 10) + 2 * late);
        let mut heart = Heartbeat::new(INTERVAL_MIN, start);
        assert_eq!(dead_at(&mut heart, late), at(start, 3) + 4 * late);
    }

    #[test]
    fn the_platforms_interval_is_bounded() {
        let every = |ping_interval| {
            Heartbeat::interval(&ClientConfig {
                ping_interval,
                ..ClientConfig::default()
            })
        };
        assert_eq!(
            (every(-5), every(90), every(i64::MAX)),
            (INTERVAL_MIN, Duration::from_secs(90), INTERVAL_MAX)
        );
    }

    #[test]
    fn a_quick_heartbeat_finds_death_within_seconds() {
        assert_eq!(
            Heartbeat::new(INTERVAL_MIN, Instant::now()).silence_max(),
            Duration::from_secs(3)
        );
    }
}
