//! From the inbox to the handlers: what arrives runs at once if there is room, and the rest when it is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use larkspur_wire::TimestampMs;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::rows::{self, Added, Due, New, Tried};
use super::{Inbox, Taken};
use crate::clock;
use crate::dedup::Dedup;
use crate::delivery::Delivery;
use crate::dispatch::{Failed, Runner, span};
use crate::file::FileError;

/// Events that are read from the file at once.
const BATCH: usize = 64;
/// However far away the next event is: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// A file that fails is tried again after this.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// An inbox at work for one router.
pub(crate) struct Feed {
    inner: Arc<Inner>,
    started: AtomicBool,
}

struct Inner {
    inbox: Taken,
    runner: Arc<Runner>,
    /// How repeats are known; `None` when each is handled.
    dedup: Option<Dedup>,
    closed: AtomicBool,
    changed: Arc<Notify>,
}

/// What became of an event that was to be stored.
pub(crate) enum Stored {
    Kept,
    Repeat,
    Full,
}

impl Feed {
    pub(crate) fn new(inbox: Taken, runner: Arc<Runner>, dedup: Option<Dedup>) -> Self {
        let changed = Arc::clone(&inbox.0.inner.changed);
        Self {
            inner: Arc::new(Inner {
                inbox,
                runner,
                dedup,
                closed: AtomicBool::new(false),
                changed,
            }),
            started: AtomicBool::new(false),
        }
    }

    /// Begins to handle what is there, on the runtime of the caller. Any further call does nothing.
    pub(crate) fn start(&self) {
        if !self.started.swap(true, Ordering::AcqRel) {
            tokio::spawn(feed(Arc::downgrade(&self.inner), Arc::clone(&self.inner.changed)));
        }
    }

    /// Stores an event, and starts its handler if there is room.
    pub(crate) async fn store(&self, delivery: Delivery) -> Result<Stored, FileError> {
        self.start();
        self.inner.store(delivery).await
    }

    /// Starts no more handlers; what is there and what arrives is for the next process.
    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
        self.inner.changed.notify_one();
    }
}

impl Inner {
    fn inbox(&self) -> &Inbox {
        &self.inbox.0
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    async fn store(self: &Arc<Self>, delivery: Delivery) -> Result<Stored, FileError> {
        let inbox = self.inbox();
        if inbox.inner.waiting.load(Ordering::Relaxed) >= inbox.waiting_max {
            return Ok(Stored::Full);
        }
        let room = if self.is_closed() {
            None
        } else {
            self.runner.free_room()
        };
        let new = New {
            key: self.dedup.as_ref().and_then(|dedup| dedup.text_key(&delivery)),
            delivery: delivery.clone(),
            runs: room.is_some(),
        };
        let added = inbox.inner.database.call(move |connection| rows::add(connection, &new));
        let Added::Stored(id) = added.await? else {
            return Ok(Stored::Repeat);
        };
        inbox.inner.waiting.fetch_add(1, Ordering::Relaxed);
        match room {
            Some(room) => self.run(
                room,
                Due {
                    id,
                    failures: 0,
                    delivery,
                },
            ),
            None => self.changed.notify_one(),
        }
        Ok(Stored::Kept)
    }

    /// Handles an event in a task of its own.
    fn run(self: &Arc<Self>, room: OwnedSemaphorePermit, due: Due) {
        let inner = Arc::clone(self);
        let span = span(due.delivery.meta());
        tokio::spawn(async move { inner.handle(room, due).await }.instrument(span));
    }

    async fn handle(&self, room: OwnedSemaphorePermit, Due { id, failures, delivery }: Due) {
        let meta = delivery.meta();
        let handled = self.runner.run_in(&delivery).await;
        drop(room);
        let inbox = self.inbox();
        let now = clock::now();
        let tried = match handled {
            Ok(_) => {
                let keep = self.dedup.as_ref().map(Dedup::keep).unwrap_or_default();
                Tried::Done {
                    forget_at: now.saturating_add(keep),
                }
            }
            Err(Failed { why, .. }) => Tried::Failed {
                error: why,
                again_at: inbox.next_try(failures + 1, now),
            },
        };
        let again = matches!(tried, Tried::Failed { again_at: Some(_), .. });
        if matches!(tried, Tried::Failed { again_at: None, .. }) {
            let times = failures + 1;
            tracing::error!(
                event.id = %meta.event_id,
                "`{}` is dead after {times} tries; it is kept in the inbox as number {id}", meta.event_type
            );
        }
        self.settle(id, tried, now).await;
        if again {
            self.changed.notify_one();
        } else {
            inbox.inner.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Writes down what became of a try, however long that takes: until then nobody else has the event.
    async fn settle(&self, id: i64, tried: Tried, now: TimestampMs) {
        let tried = Arc::new(tried);
        loop {
            let (database, tried) = (&self.inbox().inner.database, Arc::clone(&tried));
            match database
                .call(move |connection| rows::settle(connection, id, &tried, now))
                .await
            {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, "the inbox cannot be written; another try follows");
                    sleep(AFTER_TROUBLE).await;
                }
            }
        }
    }

    /// Starts what is due, as soon as there is room, and answers how long to wait for more.
    async fn round(self: &Arc<Self>) -> Result<Duration, FileError> {
        let database = &self.inbox().inner.database;
        loop {
            let Some(mut rooms) = self.runner.rooms(BATCH).await.filter(|_| !self.is_closed()) else {
                return Ok(LOOK_EVERY);
            };
            let (now, at_most) = (clock::now(), rooms.len());
            let due = database
                .call(move |connection| rows::take(connection, now, at_most))
                .await?;
            let all = due.len() < at_most;
            for (due, room) in due.into_iter().zip(rooms.drain(..)) {
                self.run(room, due);
            }
            if all {
                let next = database.call(rows::next).await?;
                return Ok(next.map_or(LOOK_EVERY, |next| next.since(now).min(LOOK_EVERY)));
            }
        }
    }
}

async fn feed(feed: Weak<Inner>, changed: Arc<Notify>) {
    loop {
        let wait = {
            let Some(inner) = feed.upgrade().filter(|inner| !inner.is_closed()) else {
                return;
            };
            inner.round().await.unwrap_or_else(|error| {
                tracing::error!(%error, "the inbox cannot be read; another try follows");
                AFTER_TROUBLE
            })
        };
        // Either way it is time to look.
        let _ = timeout(wait, changed.notified()).await;
    }
}
