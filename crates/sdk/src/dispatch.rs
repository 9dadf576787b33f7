//! Dispatch: from an event that arrived to its outcome, the same for every transport.
//!
//! Each event is handled in a task of its own, so that neither a slow handler nor one that panics is felt by others, and
//! a lost connection never cancels a handler.

mod run;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Envelope;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::delivery::{Delivery, Meta, Transport};
use crate::reply::Answer;
use crate::router::{Router, RouterError, Table};
use run::Runner;

/// Types without a handler that are remembered, so that each is logged once.
const UNHANDLED_TYPES_MAX: usize = 1_000;

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handler took it.
    Handled(Answer),
    /// No handler is there; it is acknowledged, since pushing it again would not help.
    NoHandler,
    /// Nobody took it; the platform will push it again.
    Failed(Failure),
}

/// Why nobody took an event. It has been logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The handler answered an error, or its arguments could not be made.
    #[error("the handler failed")]
    Handler,
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
    /// The handler took longer than it may.
    #[error("the handler took too long")]
    TimedOut,
    /// Too many events wait for handlers.
    #[error("too many handlers are running")]
    Busy,
    /// No handler is there, and the router is strict.
    #[error("no handler")]
    NoHandler,
    /// The runtime ended while the handler ran.
    #[error("the receiver is ending")]
    Aborted,
}

/// A router at work. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    inner: Arc<Inner>,
    runtime: Option<Handle>,
}

struct Inner {
    table: Arc<Table>,
    runner: Runner,
    strict: bool,
    unhandled: Mutex<BTreeSet<String>>,
}

impl Dispatcher {
    /// Puts a router to work, unless it is wrong.
    pub(crate) fn new(router: Router) -> Result<Self, RouterError> {
        let (table, handlers, policy) = router.into_parts()?;
        Ok(Self {
            inner: Arc::new(Inner {
                table,
                runner: Runner::new(handlers, &policy),
                strict: policy.strict,
                unhandled: Mutex::default(),
            }),
            runtime: None,
        })
    }

    /// Makes handlers run on this runtime, whichever one events arrive on.
    #[cfg_attr(not(test), expect(dead_code, reason = "a connection will bring its runtime"))]
    pub(crate) fn on(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Starts handling an event in a task of its own. Dropping what this returns does not stop the handler.
    pub(crate) fn start(&self, envelope: Envelope, transport: Transport, now: TimestampMs) -> Started {
        let handling = self.handle(envelope, transport, now);
        Started(match &self.runtime {
            Some(runtime) => runtime.spawn(handling),
            None => tokio::spawn(handling),
        })
    }

    /// Handles an event; for callers that spawn it themselves. It never panics.
    pub(crate) fn handle(
        &self,
        envelope: Envelope,
        transport: Transport,
        now: TimestampMs,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        let delivery = Delivery::new(envelope, transport, now);
        let meta = delivery.meta();
        let span = tracing::info_span!(
            "event",
            app.id = %meta.app_id, event.id = %meta.event_id, event.type = %meta.event_type
        );
        let inner = Arc::clone(&self.inner);
        async move { inner.handle(delivery).await }.instrument(span)
    }
}

impl Inner {
    async fn handle(&self, delivery: Delivery) -> Outcome {
        if !self.table.has(&delivery.meta().event_type) {
            return self.unhandled(delivery.meta());
        }
        match self.runner.run(delivery).await {
            Ok(answer) => Outcome::Handled(answer),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn unhandled(&self, meta: &Meta) -> Outcome {
        let done = if self.strict { "refused" } else { "acked" };
        if self.is_new(&meta.event_type) {
            tracing::warn!(event.id = %meta.event_id, "no handler for `{}` ({done})", meta.event_type);
        } else {
            tracing::debug!(event.id = %meta.event_id, "no handler for `{}` ({done})", meta.event_type);
        }
        if self.strict {
            Outcome::Failed(Failure::NoHandler)
        } else {
            Outcome::NoHandler
        }
    }

    /// Whether no event of this type has been without a handler before.
    fn is_new(&self, event_type: &str) -> bool {
        let mut unhandled = self.unhandled.lock().unwrap_or_else(PoisonError::into_inner);
        !unhandled.contains(event_type)
            && unhandled.len() < UNHANDLED_TYPES_MAX
            && unhandled.insert(event_type.to_owned())
    }
}

/// An event that is being handled; completes with its outcome.
#[derive(Debug)]
pub(crate) struct Started(JoinHandle<Outcome>);

impl Future for Started {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        // Panics of handlers are caught before.
        Poll::Ready(joined.unwrap_or(Outcome::Failed(Failure::Aborted)))
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
