//! When to try again, by the platform's configuration: a random wait first, so that a platform that restarts is not
//! met by everybody at once, then one interval after another. Pure: randomness is an argument.

use std::time::Duration;

use larkspur_wire::endpoint::ClientConfig;

/// Whatever the platform says, tries are at least this far apart.
const WAIT_MIN: Duration = Duration::from_millis(250);
/// And at most this far.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Counts tries.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    config: ClientConfig,
    tries: i64,
}

/// What to do after a connection was lost or could not be made.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Try again after this.
    Wait { wait: Duration, tries: i64, reason: String },
    /// The platform allows no more.
    GiveUp { tries: i64, reason: String },
}

impl Backoff {
    /// What the platform last said.
    pub(super) fn config(&self) -> ClientConfig {
        self.config
    }

    /// The connection stands.
    pub(super) fn online(&mut self, config: ClientConfig) {
        (self.config, self.tries) = (config, 0);
    }

    /// A pong brought a new configuration.
    pub(super) fn update(&mut self, json: &[u8]) {
        self.config.update(json);
    }

    /// The connection was lost. `random` lies in 0..1.
    pub(super) fn lost(&mut self, reason: String, random: f64) -> Next {
        self.tries = 0;
        self.failed(reason, random)
    }

    /// A try failed. `random` lies in 0..1.
    pub(super) fn failed(&mut self, reason: String, random: f64) -> Next {
        let count = self.config.reconnect_count;
        if count >= 0 && self.tries >= count {
            return Next::GiveUp {
                tries: self.tries,
                reason,
            };
        }
        self.tries += 1;
        let wait = if self.tries == 1 {
            seconds(self.config.reconnect_nonce).mul_f64(random.clamp(0.0, 1.0))
        } else {
            seconds(self.config.reconnect_interval)
        };
        Next::Wait {
            wait: wait.clamp(WAIT_MIN, WAIT_MAX),
            tries: self.tries,
            reason,
        }
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(reconnect_count: i64, reconnect_nonce: i64) -> ClientConfig {
        ClientConfig {
            reconnect_count,
            reconnect_nonce,
            reconnect_interval: 7,
            ping_interval: 120,
        }
    }

    fn waits(backoff: &mut Backoff, n: usize) -> Vec<Option<u128>> {
        let wait = |next| match next {
            Next::Wait { wait, .. } => Some(wait.as_millis()),
            Next::GiveUp { .. } => None,
        };
        (0..n).map(|_| wait(backoff.failed(String::new(), 0.5))).collect()
    }

    #[test]
    fn the_first_wait_is_random_within_the_nonce_and_the_others_are_the_interval() {
        let mut backoff = Backoff::default();
        backoff.online(config(-1, 30));
        assert_eq!(waits(&mut backoff, 3), [Some(15_000), Some(7_000), Some(7_000)]);
        assert!(matches!(backoff.lost(String::new(), 0.1), Next::Wait { tries: 1, wait, .. } if wait.as_secs() == 3));
    }

    #[test]
    fn the_platform_bounds_the_tries_and_a_connection_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        backoff.online(config(2, 0));
        assert_eq!(waits(&mut backoff, 3), [Some(250), Some(7_000), None]);
        backoff.online(config(2, 0));
        assert_eq!(waits(&mut backoff, 1), [Some(250)]);
    }

    #[test]
    fn a_configuration_of_zeros_makes_no_storm() {
        let mut backoff = Backoff::default();
        backoff.update(br#"{"ReconnectCount":0,"ReconnectInterval":0,"ReconnectNonce":0,"PingInterval":0}"#);
        assert_eq!(backoff.config().ping_interval, 120);
        assert_eq!(waits(&mut backoff, 2), [Some(250), Some(120_000)]);
    }
}
