//! Refusing requests that somebody recorded and posts again.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use larkspur_wire::TimestampMs;

use super::error::Refused;

/// The platform pushes an event five times at most, the last time 6 hours, 5 minutes and 15 seconds after the first and
/// the time that its requests took. Nobody says whether it signs anew each time, so a window must be longer than that.
const WINDOW_MIN: Duration = Duration::from_hours(8);
/// One push and four more.
const PUSHES_MAX: u32 = 5;
/// At 32 bytes each and as much again for finding them, this is 6 MiB.
const REQUESTS_MAX: usize = 100_000;

/// Refuses signed requests from outside a window of time, and those that come more often than the platform pushes
/// anything.
///
/// Off by default, because an event that comes again is recognised by its id, answered with status 200 and not handled
/// again. What this adds is a bound on how long a request that somebody recorded is worth anything. It can never refuse
/// what the platform itself pushes again: the window is at least eight hours, and the same request may come five times.
/// Only what is signed is looked at, which needs an Encrypt Key.
///
/// ```
/// use std::time::Duration;
/// use larkspur::{ReplayGuard, Router, Webhook};
///
/// let hook = Webhook::with_key("the Encrypt Key", "the Verification Token", Router::new())?
///     .replay_guard(ReplayGuard::new().window(Duration::from_secs(12 * 3600)));
/// # Ok::<(), larkspur::WebhookError>(())
/// ```
#[must_use]
pub struct ReplayGuard {
    window: Duration,
    pushes_max: u32,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How often each request came, by its signature.
    times: HashMap<[u8; 32], u32>,
    /// When each came first, the oldest in front.
    order: VecDeque<(TimestampMs, [u8; 32])>,
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self {
            window: WINDOW_MIN,
            pushes_max: PUSHES_MAX,
            seen: Mutex::default(),
        }
    }
}

impl ReplayGuard {
    /// A window of eight hours, in which each request may come five times.
    pub fn new() -> Self {
        Self::default()
    }

    /// A longer window, in both directions of time; a shorter one than eight hours is made eight hours.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.max(WINDOW_MIN);
        self
    }

    /// Looks at a request whose signature fits.
    pub(super) fn check(&self, signature: [u8; 32], timestamp: &str, now: TimestampMs) -> Result<(), Refused> {
        // What is no time cannot be judged; it was signed, so it is the platform's.
        if let Ok(signed_at) = TimestampMs::from_wire(timestamp) {
            let (past, ahead) = (now.since(signed_at), signed_at.since(now));
            if past.max(ahead) > self.window {
                return Err(Refused::OutOfTime {
                    seconds: past.max(ahead).as_secs(),
                    ahead: ahead > past,
                });
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now.saturating_sub(self.window * 2));
        let times = seen.count(signature, now);
        if times > self.pushes_max {
            return Err(Refused::Replayed { times });
        }
        Ok(())
    }
}

impl Seen {
    /// Forgets what came before a time: by then it is outside the window, also if it was signed ahead of its time.
    fn forget(&mut self, before: TimestampMs) {
        while let Some((at, signature)) = self.order.front() {
            if *at >= before && self.order.len() < REQUESTS_MAX {
                break;
            }
            self.times.remove(signature);
            self.order.pop_front();
        }
    }

    fn count(&mut self, signature: [u8; 32], now: TimestampMs) -> u32 {
        let times = self.times.entry(signature).or_default();
        *times = times.saturating_add(1);
        if *times == 1 {
            self.order.push_back((now, signature));
        }
        *times
    }
}

impl fmt::Debug for ReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayGuard")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: TimestampMs = TimestampMs(1_608_725_989_000);

    fn later(duration: Duration) -> TimestampMs {
        START.saturating_add(duration)
    }

    #[test]
    fn every_push_of_one_event_passes_and_a_sixth_does_not() {
        let guard = ReplayGuard::new();
        let (minutes, hours) = (Duration::from_mins, Duration::from_hours);
        let at = [
            Duration::ZERO,
            Duration::from_secs(15),
            minutes(5),
            hours(1),
            hours(7) + minutes(6),
        ];
        for at in at {
            assert!(guard.check([1; 32], "1608725989", later(at)).is_ok(), "{at:?}");
        }
        let sixth = guard.check([1; 32], "1608725989", later(hours(7) + minutes(7)));
        assert!(matches!(sixth, Err(Refused::Replayed { times: 6 })));
        assert!(guard.check([2; 32], "1608725989", later(hours(7))).is_ok());
    }

    #[test]
    fn a_request_from_outside_the_window_is_refused() {
        let guard = ReplayGuard::new().window(Duration::from_secs(1));
        let at = |at| guard.check([1; 32], "1608725989", at);
        assert!(at(later(Duration::from_hours(8))).is_ok(), "no window is shorter");
        assert!(matches!(
            at(later(Duration::from_secs(8 * 3600 + 1))),
            Err(Refused::OutOfTime {
                seconds: 28_801,
                ahead: false
            })
        ));
        let early = START.saturating_sub(Duration::from_hours(9));
        assert!(matches!(at(early), Err(Refused::OutOfTime { ahead: true, .. })));
        assert!(guard.check([1; 32], "Monday", START).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let guard = ReplayGuard::new();
        for idx in 0..REQUESTS_MAX + 10 {
            let mut signature = [0; 32];
            signature[..8].copy_from_slice(&idx.to_be_bytes());
            assert!(guard.check(signature, "", START).is_ok());
        }
        let kept = || guard.seen.lock().unwrap().times.len();
        assert_eq!(kept(), REQUESTS_MAX);
        assert!(guard.check([9; 32], "", later(Duration::from_hours(17))).is_ok());
        assert_eq!(kept(), 1);
    }
}
