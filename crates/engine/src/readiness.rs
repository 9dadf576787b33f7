//! Whether the platform can take events now: it is not ending, and the store can be written.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use larkspur_store::StoreError;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::engine::Engine;

/// Probing writes to disk, and anybody may ask: more often than this the last answer is given again.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A store that needs longer for one small write takes no events in time either.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the platform takes no events now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unready {
    /// It is ending.
    #[error("the platform is shutting down")]
    Draining,
    /// The store cannot be written.
    #[error("the store cannot be written: {why}")]
    Store {
        /// What it says.
        why: String,
    },
    /// The store does not answer.
    #[error("the store did not write within {} s", PROBE_TIMEOUT.as_secs())]
    Slow,
}

/// What is known about it.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    /// When everything must have ended; set once the end has begun.
    deadline: OnceLock<Instant>,
    probe: Mutex<Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    last: Option<(Instant, Result<(), Unready>)>,
    /// One that did not end in time; as long as it has not, no other is begun.
    running: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Readiness {
    /// Begins the end, and answers when it must be over. Beginning again changes nothing.
    pub(crate) fn drain(&self, grace: Duration) -> Instant {
        *self.deadline.get_or_init(|| Instant::now() + grace)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }
}

impl Engine {
    /// Whether events are taken now.
    pub async fn ready(&self) -> Result<(), Unready> {
        if self.is_draining() {
            return Err(Unready::Draining);
        }
        let mut probe = self.readiness().probe.lock().await;
        if let Some((at, last)) = &probe.last
            && at.elapsed() < PROBE_AGAIN_AFTER
        {
            return last.clone();
        }
        let running = probe.running.get_or_insert_with(|| {
            let store = Arc::clone(self.store());
            tokio::spawn(async move { store.probe().await })
        });
        let probed = match timeout(PROBE_TIMEOUT, running).await {
            Err(_) => Err(Unready::Slow),
            Ok(ended) => {
                probe.running = None;
                ended
                    .unwrap_or(Err(StoreError::Closed))
                    .map_err(|error| unready(&error))
            }
        };
        probe.last = Some((Instant::now(), probed.clone()));
        probed
    }

    /// Whether the platform is ending, and takes no more events.
    pub fn is_draining(&self) -> bool {
        self.readiness().deadline().is_some()
    }

    /// How long what is under way may still take to end.
    pub fn grace_left(&self) -> Duration {
        let grace = self.settings().shutdown.grace();
        let deadline = self.readiness().deadline();
        deadline.map_or(grace, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

fn unready(error: &StoreError) -> Unready {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        why.push_str(": ");
        why.push_str(&next.to_string());
        source = next.source();
    }
    Unready::Store { why }
}
