//! What holds for all handlers of a router: how long they may take, how many run at once, and which events they see.

use std::time::Duration;

use super::{Router, RouterError};

/// Whoever needs longer should keep a queue of its own; the platform has pushed the event again several times by now.
const TIME_LIMIT: Duration = Duration::from_mins(5);
/// As many as a process can have open connections or files for without thought.
const CONCURRENCY: usize = 256;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) time_limit: Duration,
    pub(crate) concurrency: usize,
    pub(crate) strict: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            time_limit: TIME_LIMIT,
            concurrency: CONCURRENCY,
            strict: false,
        }
    }
}

impl Policy {
    pub(super) fn check(&self) -> Result<(), RouterError> {
        if self.concurrency == 0 {
            return Err(RouterError::Zero { limit: "concurrency" });
        }
        if self.time_limit.is_zero() {
            return Err(RouterError::Zero {
                limit: "the time limit",
            });
        }
        Ok(())
    }
}

impl<S> Router<S> {
    /// How long a handler may take, 5 minutes unless it is set. One that takes longer is dropped where it awaits, and
    /// its event counts as failed.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.policy.time_limit = limit;
        self
    }

    /// How many handlers may run at once, 256 unless it is set. Four times as many events wait for their turn; more are
    /// answered as failed, so that the platform pushes them again later.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.policy.concurrency = handlers;
        self
    }

    /// Answers events that no handler is there for as failed, so that the platform pushes them again, perhaps to another
    /// process of the same app that has the handler. Without it, they are acknowledged.
    pub fn strict(mut self) -> Self {
        self.policy.strict = true;
        self
    }
}
