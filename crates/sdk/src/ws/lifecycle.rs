//! The life of a client, pure: what happened and when goes in, what to do next comes out. Being one value with one
//! phase, it can neither dial twice at once nor wait and be online together.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use larkspur_wire::endpoint::ClientConfig;

use super::backoff::Backoff;
use super::error::ConnectError;
use super::heartbeat::Heartbeat;
use super::trouble::{Severity, Trouble};

/// A connection that is lost sooner than this counts as one that does not last.
const LASTING: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The client was started, or a wait is over.
    Due,
    /// A connection stands.
    Opened,
    /// A try failed.
    Failed(Trouble),
    /// The connection was lost.
    Lost(Trouble),
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Action {
    /// Look up and connect.
    Dial { attempt: u32 },
    /// Receive, until the connection is lost.
    Serve(Heartbeat),
    /// Wait, then try again.
    Wait {
        wait: Duration,
        attempt: u32,
        trouble: Trouble,
    },
    /// Trying again cannot help, or is not allowed.
    GiveUp(ConnectError),
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Dialling,
    Online { since: Instant },
    Ended,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: Phase,
    backoff: Backoff,
    /// Tries in a row that failed.
    failed: u32,
    /// Connections in a row that did not last.
    short_lived: u32,
    connections: u64,
}

impl Lifecycle {
    pub(super) fn new(waits: RangeInclusive<Duration>) -> Self {
        Self {
            phase: Phase::Waiting,
            backoff: Backoff::new(waits),
            failed: 0,
            short_lived: 0,
            connections: 0,
        }
    }

    /// How often a connection was opened.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// The look-up brought the platform's configuration.
    pub(super) fn told(&mut self, config: ClientConfig) {
        self.backoff.told(config);
    }

    /// A pong brought another one.
    pub(super) fn pong(&mut self, json: &[u8]) {
        self.backoff.update(json);
    }

    /// How often to ping, as the platform's configuration says.
    pub(super) fn ping_interval(&self) -> Duration {
        Heartbeat::interval(&self.backoff.config())
    }

    /// What happened, and what to do next. `random` lies in 0..1.
    pub(super) fn on(&mut self, input: Input, now: Instant, random: f64) -> Action {
        match (&self.phase, input) {
            (Phase::Waiting, Input::Due) => {
                self.phase = Phase::Dialling;
                Action::Dial {
                    attempt: self.failed + 1,
                }
            }
            (Phase::Dialling, Input::Opened) => {
                self.phase = Phase::Online { since: now };
                self.failed = 0;
                self.connections += 1;
                Action::Serve(Heartbeat::new(self.ping_interval(), now))
            }
            (Phase::Dialling, Input::Failed(trouble)) => {
                self.failed += 1;
                self.again(trouble, random)
            }
            (Phase::Online { since }, Input::Lost(trouble)) => {
                let lasted = now.saturating_duration_since(*since) >= LASTING;
                self.short_lived = if lasted { 0 } else { self.short_lived + 1 };
                self.again(trouble, random)
            }
            (phase, input) => {
                debug_assert!(false, "{input:?} cannot happen in {phase:?}");
                self.phase = Phase::Ended;
                Action::GiveUp(ConnectError::Broken)
            }
        }
    }

    fn again(&mut self, trouble: Trouble, random: f64) -> Action {
        let ended = if trouble.severity == Severity::Fatal {
            Some(ConnectError::refused(&trouble))
        } else if self.failed > 0 && self.backoff.is_exhausted(self.failed) {
            Some(ConnectError::Exhausted {
                tries: self.failed.into(),
                reason: trouble.reason.clone(),
            })
        } else {
            None
        };
        if let Some(error) = ended {
            self.phase = Phase::Ended;
            return Action::GiveUp(error);
        }
        self.phase = Phase::Waiting;
        let wait = match self.failed {
            0 => self.backoff.after_loss(self.short_lived.saturating_sub(1), random),
            failed => self.backoff.after_failure(failed, trouble.severity, random),
        };
        Action::Wait {
            wait,
            attempt: self.failed + 1,
            trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Domain;

    struct Client {
        life: Lifecycle,
        now: Instant,
    }

    impl Client {
        fn new() -> Self {
            Self {
                life: Lifecycle::new(Duration::from_millis(250)..=Duration::from_mins(5)),
                now: Instant::now(),
            }
        }

        fn on(&mut self, input: Input) -> Action {
            self.life.on(input, self.now, 0.5)
        }

        fn online() -> Self {
            let mut client = Self::new();
            client.on(Input::Due);
            client.life.told(ClientConfig {
                reconnect_nonce: 8,
                ..ClientConfig::default()
            });
            assert!(matches!(client.on(Input::Opened), Action::Serve(_)));
            client
        }
    }

    fn trouble(severity: Severity) -> Trouble {
        Trouble {
            severity,
            ..Trouble::lost("cut")
        }
    }

    #[test]
    fn a_thousand_failed_tries_are_one_loop_of_dialling_and_waiting() {
        let mut client = Client::new();
        for tries in 0..1_000 {
            assert!(matches!(client.on(Input::Due), Action::Dial { attempt } if attempt == tries + 1));
            let action = client.on(Input::Failed(trouble(Severity::Retry)));
            assert!(
                matches!(action, Action::Wait { attempt, .. } if attempt == tries + 2),
                "{action:?}"
            );
        }
        assert_eq!(client.life.connections(), 0);
    }

    #[test]
    fn a_lost_connection_waits_within_the_nonce_and_counts_tries_anew() {
        let mut client = Client::online();
        client.now += LASTING;
        let action = client.on(Input::Lost(trouble(Severity::Retry)));
        assert!(
            matches!(action, Action::Wait { wait, attempt: 1, .. } if wait == Duration::from_secs(4)),
            "{action:?}"
        );
        assert!(matches!(client.on(Input::Due), Action::Dial { attempt: 1 }));
    }

    #[test]
    fn fatal_trouble_ends_the_client_at_once() {
        let mut client = Client::new();
        client.on(Input::Due);
        let refused = Trouble::refused(larkspur_wire::code::BAD_CREDENTIAL, "no", &Domain::Feishu, false);
        let action = client.on(Input::Failed(refused));
        assert!(
            matches!(
                action,
                Action::GiveUp(ConnectError::Refused {
                    code: 1_000_040_345,
                    ..
                })
            ),
            "{action:?}"
        );
    }

    #[test]
    fn the_platform_may_end_the_tries_but_not_before_one_has_failed() {
        let mut client = Client::online();
        client.life.told(ClientConfig {
            reconnect_count: 1,
            ..ClientConfig::default()
        });
        assert!(matches!(
            client.on(Input::Lost(trouble(Severity::Retry))),
            Action::Wait { .. }
        ));
        client.on(Input::Due);
        let action = client.on(Input::Failed(trouble(Severity::Retry)));
        assert!(
            matches!(action, Action::GiveUp(ConnectError::Exhausted { tries: 1, .. })),
            "{action:?}"
        );
    }

    #[test]
    fn connections_that_do_not_last_make_no_storm() {
        let mut client = Client::online();
        let mut waited = Duration::ZERO;
        for _ in 0..20 {
            client.life.told(ClientConfig {
                reconnect_nonce: 0,
                ..ClientConfig::default()
            });
            let Action::Wait { wait, .. } = client.on(Input::Lost(trouble(Severity::Retry))) else {
                panic!("it waits")
            };
            waited += wait;
            client.on(Input::Due);
            client.on(Input::Opened);
        }
        assert!(waited > Duration::from_mins(15), "{waited:?}");
    }
}
