//! Dispatch: from an event that arrived to its outcome, the same for every transport.
//!
//! Each event is handled in a task of its own, so that neither a slow handler nor one that panics is felt by others, and
//! a lost connection never cancels a handler.

mod run;
#[cfg(any(feature = "webhook", test))]
mod started;

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Envelope;
use tracing::Instrument;

use crate::dedup::{Dedup, Repeat};
use crate::delivery::{Delivery, Meta, Transport};
#[cfg(feature = "inbox")]
use crate::inbox::{Feed, Stored};
use crate::reply::{Answer, BoxError};
use crate::router::{Plan, Repeats, Router, RouterError, Table};
use crate::tally::Tally;
#[cfg(feature = "inbox")]
pub(crate) use run::Failed;
pub(crate) use run::Runner;
use run::chain;
#[cfg(test)]
pub(crate) use started::Started;

/// Types without a handler that are remembered, so that each is logged once.
const UNHANDLED_TYPES_MAX: usize = 1_000;

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handler took it.
    Handled(Answer),
    /// The inbox has it; it is acknowledged.
    #[cfg_attr(not(feature = "inbox"), expect(dead_code, reason = "only the inbox stores events"))]
    Stored,
    /// It had been handled before; it is acknowledged.
    Repeated,
    /// It is too old to be handled; it is acknowledged.
    Stale,
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
    /// It is a repeat of an event that is still being handled.
    #[error("the event is being handled")]
    InFlight,
    /// Whether it is a repeat could not be found out, or could not be kept.
    #[error("the store failed")]
    Store,
    /// No handler is there, and the router is strict.
    #[error("no handler")]
    NoHandler,
    /// What arrived is no event.
    #[cfg(feature = "ws")]
    #[error("the event cannot be read")]
    Unreadable,
    /// The runtime ended while the handler ran.
    #[cfg(any(feature = "webhook", test))]
    #[error("the receiver is ending")]
    Aborted,
}

/// A router at work. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    table: Arc<Table>,
    runner: Arc<Runner>,
    #[cfg(feature = "inbox")]
    feed: Option<Feed>,
    dedup: Option<Dedup>,
    strict: bool,
    unhandled: Mutex<BTreeSet<String>>,
    tally: Tally,
}

impl Dispatcher {
    /// Puts a router to work, unless it is wrong.
    pub(crate) fn new(router: Router) -> Result<Self, RouterError> {
        let (table, handlers, policy) = router.into_parts()?;
        let runner = Arc::new(Runner::new(handlers, &policy));
        let dedup = match policy.repeats {
            Repeats::Default(dedup) | Repeats::Drop(dedup) => Some(dedup),
            Repeats::Handle => None,
        };
        #[cfg(feature = "inbox")]
        let feed = match policy.inbox {
            Some(inbox) => {
                let inbox = inbox.take().ok_or(RouterError::InboxTaken)?;
                Some(Feed::new(inbox, Arc::clone(&runner), dedup.clone()))
            }
            None => None,
        };
        #[cfg(feature = "inbox")]
        if let (Some(feed), Ok(_)) = (&feed, tokio::runtime::Handle::try_current()) {
            feed.start();
        }
        Ok(Self {
            inner: Arc::new(Inner {
                table,
                runner,
                #[cfg(feature = "inbox")]
                feed,
                dedup,
                strict: policy.strict,
                unhandled: Mutex::default(),
                tally: policy.tally,
            }),
        })
    }

    /// What counts its events.
    #[cfg(feature = "webhook")]
    pub(crate) fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    /// Completes when no handler runs any more. What an inbox has left is for the next process.
    #[cfg_attr(not(feature = "ws"), expect(dead_code, reason = "only a connection ends like this"))]
    pub(crate) async fn drain(&self) {
        #[cfg(feature = "inbox")]
        if let Some(feed) = &self.inner.feed {
            feed.close();
        }
        self.inner.runner.idle().await;
    }

    /// Handles an event, and gives it back with its outcome; for callers that spawn it themselves. It never panics.
    pub(crate) fn handle(
        &self,
        envelope: Envelope,
        transport: Transport,
        now: TimestampMs,
    ) -> impl Future<Output = (Delivery, Outcome)> + Send + use<> {
        let delivery = Delivery::new(envelope, transport, now);
        let span = span(delivery.meta());
        let inner = Arc::clone(&self.inner);
        async move {
            let handling = AssertUnwindSafe(inner.handle(&delivery));
            let outcome = handling.catch_unwind().await.unwrap_or_else(|_panic| {
                tracing::error!("telling repeats apart panicked");
                Outcome::Failed(Failure::Panicked)
            });
            inner.tally.count(&outcome, delivery.meta());
            (delivery, outcome)
        }
        .instrument(span)
    }
}

/// What everything that is logged while an event is handled belongs to.
pub(crate) fn span(meta: &Meta) -> tracing::Span {
    tracing::info_span!(
        "event",
        app.id = %meta.app_id, event.id = %meta.event_id, event.type = %meta.event_type
    )
}

impl Inner {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let meta = delivery.meta();
        let handled = match (self.table.plan(meta), &self.dedup) {
            (Plan::NoHandler, _) => return self.unhandled(meta),
            (Plan::Drop, _) => {
                let age = meta.age().unwrap_or_default().as_secs();
                tracing::info!(event.id = %meta.event_id, "dropped `{}`, which is {age} s old (acked)", meta.event_type);
                return Outcome::Stale;
            }
            #[cfg(feature = "inbox")]
            (Plan::Handle, _) if let Some(feed) = &self.feed => return self.store(feed, delivery).await,
            (Plan::Ask, _) | (Plan::Handle, None) => self.runner.run(delivery).await,
            (Plan::Handle, Some(dedup)) => return self.once(dedup, delivery).await,
        };
        handled.map_or_else(Outcome::Failed, Outcome::Handled)
    }

    /// Leaves an event to the inbox.
    #[cfg(feature = "inbox")]
    async fn store(&self, feed: &Feed, delivery: &Delivery) -> Outcome {
        let meta = delivery.meta();
        match feed.store(delivery.clone()).await {
            Ok(Stored::Kept) => Outcome::Stored,
            Ok(Stored::Repeat) => Outcome::Repeated,
            Ok(Stored::Full) => {
                tracing::warn!(event.id = %meta.event_id, "the inbox is full; the platform pushes `{}` again", meta.event_type);
                Outcome::Failed(Failure::Busy)
            }
            Err(error) => {
                tracing::error!(event.id = %meta.event_id, %error, "the inbox cannot take `{}`", meta.event_type);
                Outcome::Failed(Failure::Store)
            }
        }
    }

    /// Handles an event unless it is a repeat.
    async fn once(&self, dedup: &Dedup, delivery: &Delivery) -> Outcome {
        let meta = delivery.meta();
        let failed = |error: BoxError| {
            let error = chain(&error);
            tracing::error!(event.id = %meta.event_id, %error, "the store of repeats failed for `{}`", meta.event_type);
            Failure::Store
        };
        let repeated = |what| tracing::debug!(event.id = %meta.event_id, "a repeat of `{}` {what}", meta.event_type);
        let in_flight = match dedup.begin(delivery).await {
            Ok(Repeat::New(in_flight)) => Some(in_flight),
            Ok(Repeat::Unknown) => None,
            Ok(Repeat::Done) => {
                repeated("(acked)");
                return Outcome::Repeated;
            }
            Ok(Repeat::Busy) => {
                repeated("whose handler is still running; it comes again");
                return Outcome::Failed(Failure::InFlight);
            }
            Err(error) => return Outcome::Failed(failed(error)),
        };
        let handled = self.runner.run(delivery).await;
        let kept = match in_flight {
            Some(in_flight) => in_flight.end(handled.is_ok()).await.map_err(failed),
            None => Ok(()),
        };
        match handled.and_then(|answer| kept.map(|()| answer)) {
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

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
