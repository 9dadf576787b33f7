//! What holds for all handlers of a router: how long they may take, how many run at once, and which events they see.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Handle, Router, RouterError, raw};
use crate::dedup::Dedup;
use crate::handler::RawHandler;
#[cfg(feature = "inbox")]
use crate::inbox::Inbox;
use crate::tally::Tally;

/// Whoever needs longer should keep a queue of its own; the platform has pushed the event again several times by now.
const TIME_LIMIT: Duration = Duration::from_mins(5);
/// As many as a process can have open connections or files for without thought.
const CONCURRENCY: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) time_limit: Duration,
    pub(crate) concurrency: usize,
    pub(crate) strict: bool,
    pub(crate) repeats: Repeats,
    pub(crate) tally: Tally,
    #[cfg(feature = "inbox")]
    pub(crate) inbox: Option<Inbox>,
}

/// What is done with repeats.
#[derive(Clone, Debug)]
pub(crate) enum Repeats {
    /// They are dropped, as nothing else was said. Copies of a router share it, since a repeat may come by another
    /// connection of the process.
    Default(Dedup),
    /// They are dropped by what the user brought.
    Drop(Dedup),
    /// They are handled.
    Handle,
}

/// What is done with old events.
pub(super) enum Stale<S> {
    /// They are handled like others.
    Pass,
    /// Those of this age are acknowledged.
    Drop { age: Duration },
    /// Those of this age have a handler of their own.
    Route { age: Duration, handle: Handle<S> },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            time_limit: TIME_LIMIT,
            concurrency: CONCURRENCY,
            strict: false,
            repeats: Repeats::Default(Dedup::default()),
            tally: Tally::default(),
            #[cfg(feature = "inbox")]
            inbox: None,
        }
    }
}

impl Policy {
    pub(super) fn is_default(&self) -> bool {
        let Self {
            time_limit,
            concurrency,
            strict,
            repeats,
            tally: _,
            #[cfg(feature = "inbox")]
            inbox,
        } = self;
        #[cfg(feature = "inbox")]
        if inbox.is_some() {
            return false;
        }
        *time_limit == TIME_LIMIT && *concurrency == CONCURRENCY && !strict && matches!(repeats, Repeats::Default(_))
    }

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

impl<S: 'static> Router<S> {
    /// What counts the events of this router and of its copies, to be looked at while they run.
    ///
    /// ```
    /// use larkspur::{Delivery, Router};
    ///
    /// let router: Router = Router::new().fallback(async |_: Delivery| {});
    /// let tally = router.tally();
    /// assert_eq!((tally.handled(), tally.failed()), (0, 0));
    /// ```
    pub fn tally(&self) -> Tally {
        self.policy.tally.clone()
    }

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

    /// Drops repeats in another way than in memory for 8 hours.
    pub fn dedup(mut self, dedup: Dedup) -> Self {
        self.policy.repeats = Repeats::Drop(dedup);
        self
    }

    /// Runs handlers for repeats too, for handlers that know them by themselves.
    pub fn without_dedup(mut self) -> Self {
        self.policy.repeats = Repeats::Handle;
        self
    }

    /// Acknowledges events when this inbox has stored them, and handles them from there. Without it, an event is
    /// acknowledged when its handler is done. Callbacks are handled at once all the same.
    #[cfg(feature = "inbox")]
    pub fn ack_on_receipt(mut self, inbox: Inbox) -> Self {
        self.policy.inbox = Some(inbox);
        self
    }

    /// Acknowledges events of this age without handling them. Callbacks are never too old.
    pub fn drop_stale(mut self, age: Duration) -> Self {
        self.stale = Stale::Drop { age };
        self
    }

    /// Hands events of this age to this handler in place of their own. Callbacks are never too old.
    ///
    /// The platform tries for seven hours to deliver an event. Whoever restarts a machine because somebody asked for it
    /// should not do so hours later:
    ///
    /// ```
    /// use std::time::Duration;
    /// use larkspur::{Meta, RawEvent, Router};
    ///
    /// async fn restart(_: RawEvent) {}
    ///
    /// async fn too_late(meta: Meta) {
    ///     println!("{} is {:?} old, and nobody waits for it any more", meta.event_id, meta.age());
    /// }
    ///
    /// let router: Router = Router::new()
    ///     .on_raw("im.message.receive_v1", restart)
    ///     .stale(Duration::from_mins(10), too_late);
    /// ```
    pub fn stale<M, H: RawHandler<M, S>>(mut self, age: Duration, handler: H) -> Self {
        self.stale = Stale::Route {
            age,
            handle: raw(handler),
        };
        self
    }
}

impl<S> Stale<S> {
    pub(super) fn map<T>(self, bind: impl Fn(Handle<S>) -> Handle<T>) -> Stale<T> {
        match self {
            Self::Pass => Stale::Pass,
            Self::Drop { age } => Stale::Drop { age },
            Self::Route { age, handle } => Stale::Route {
                age,
                handle: bind(handle),
            },
        }
    }
}

impl<S> Clone for Stale<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Pass => Self::Pass,
            Self::Drop { age } => Self::Drop { age: *age },
            Self::Route { age, handle } => Self::Route {
                age: *age,
                handle: Arc::clone(handle),
            },
        }
    }
}

impl<S> fmt::Debug for Stale<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Drop { age } => write!(f, "drop after {age:?}"),
            Self::Route { age, .. } => write!(f, "route after {age:?}"),
        }
    }
}
