//! Watching a client: what it is doing, and whether it is ready.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::error::ConnectError;
use super::trouble::Trouble;

/// What a client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It was not started yet, or has ended as it was asked to.
    Idle,
    /// It looks the platform up and connects.
    Connecting {
        /// Counts tries since a connection last stood, from 1.
        attempt: u32,
    },
    /// It receives events.
    Online {
        /// The connection's name, as the platform gave it.
        connection: Arc<str>,
    },
    /// It waits before it tries again.
    Backoff {
        /// The number that the next try will have.
        attempt: u32,
        /// When that will be.
        next_try: Instant,
        /// Why there is no connection.
        trouble: Trouble,
    },
    /// It was asked to stop, takes no more events and waits for handlers.
    Draining,
    /// It gave up, since trying again cannot help.
    Fatal(ConnectError),
}

/// A client seen from outside, for probes and for whoever wants to know. Cheap to clone.
///
/// ```no_run
/// # async fn example(app: larkspur::App, router: larkspur::Router) {
/// let client = app.connect(router);
/// let status = client.status();
/// tokio::spawn(client.into_future());
/// // In the handler of a readiness probe:
/// let code = if status.is_ready() { 200 } else { 503 };
/// # }
/// # use std::future::IntoFuture;
/// ```
#[derive(Clone)]
pub struct Status {
    state: watch::Receiver<ConnectionState>,
    heard: Arc<Heard>,
}

impl Status {
    /// What the client is doing now.
    pub fn state(&self) -> ConnectionState {
        let is_gone = self.state.has_changed().is_err();
        let state = self.state.borrow().clone();
        match state {
            // It was dropped in the middle of something.
            state if !is_gone => state,
            ConnectionState::Fatal(error) => ConnectionState::Fatal(error),
            _ => ConnectionState::Idle,
        }
    }

    /// Whether the client receives events.
    pub fn is_ready(&self) -> bool {
        matches!(self.state(), ConnectionState::Online { .. })
    }

    /// Waits until the client does something else, and answers what; `None` when it has ended. States that pass while
    /// nobody waits are skipped: what is answered is always the newest. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<ConnectionState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }

    /// What the client does from now on, beginning with what it does now. It ends with the client.
    pub fn states(&self) -> impl Stream<Item = ConnectionState> + Send + Unpin + use<> {
        let mut status = self.clone();
        status.state.mark_changed();
        Box::pin(unfold(status, |mut status| async move {
            let state = status.changed().await?;
            Some((state, status))
        }))
    }

    /// How long ago anything was last heard from the platform; `None` before the first word. Pongs come as often as
    /// the platform asks for pings, every two minutes as a rule; a connection that is silent for longer than two of
    /// them is given up.
    pub fn silent_for(&self) -> Option<Duration> {
        self.heard.last().map(|last| last.elapsed())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("state", &self.state())
            .field("silent_for", &self.silent_for())
            .finish()
    }
}

/// The side of a [`Status`] that says how things are.
pub(super) struct Reporter {
    state: watch::Sender<ConnectionState>,
    heard: Arc<Heard>,
}

impl Reporter {
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(ConnectionState::Idle),
            heard: Arc::new(Heard {
                base: Instant::now(),
                micros: AtomicU64::new(0),
            }),
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            state: self.state.subscribe(),
            heard: Arc::clone(&self.heard),
        }
    }

    pub(super) fn is(&self, state: ConnectionState) {
        self.state.send_if_modified(|old| {
            let is_new = *old != state;
            *old = state;
            is_new
        });
    }

    pub(super) fn heard(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.heard.base).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX).max(1);
        self.heard.micros.store(micros, Ordering::Relaxed);
    }
}

/// When something was last heard, in microseconds since the client was made; 0 means never.
struct Heard {
    base: Instant,
    micros: AtomicU64,
}

impl Heard {
    fn last(&self) -> Option<Instant> {
        match self.micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(self.base + Duration::from_micros(micros)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn online() -> ConnectionState {
        ConnectionState::Online { connection: "1".into() }
    }

    #[tokio::test]
    async fn states_begin_with_the_present_one_and_end_with_the_client() {
        let reporter = Reporter::new();
        let mut states = reporter.status().states();
        assert_eq!(states.next().await, Some(ConnectionState::Idle));
        reporter.is(online());
        assert_eq!(states.next().await, Some(online()));
        drop(reporter);
        assert_eq!(states.next().await, None);
    }

    #[test]
    fn only_a_client_that_is_there_and_online_is_ready() {
        let reporter = Reporter::new();
        let status = reporter.status();
        assert!(!status.is_ready());
        reporter.is(online());
        assert!(status.is_ready());
        reporter.is(ConnectionState::Draining);
        assert!(!status.is_ready());
        reporter.is(online());
        drop(reporter);
        assert!(!status.is_ready() && status.state() == ConnectionState::Idle);
    }

    #[test]
    fn silence_is_counted_from_the_last_word() {
        let reporter = Reporter::new();
        assert_eq!(reporter.status().silent_for(), None);
        reporter.heard(Instant::now());
        assert!(reporter.status().silent_for().unwrap() < Duration::from_mins(1));
    }
}
