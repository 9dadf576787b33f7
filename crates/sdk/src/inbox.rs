//! A durable inbox: events are stored and acknowledged first, and handled after, as often as it takes.
//!
//! Whoever acknowledges an event before it is handled has promised to handle it, whatever happens to the process; so
//! this is the only way to do it.

mod feed;
mod rows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larkspur_wire::TimestampMs;
use tokio::sync::Notify;

use crate::file::{Database, FileError};

pub(crate) use feed::{Feed, Stored};
pub use rows::{Counts, Dead};

/// After each failure, how long until the next try: soon for hiccups, hours for outages. An event that fails once more
/// is dead.
const RETRIES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(15),
    Duration::from_mins(5),
    Duration::from_hours(1),
    Duration::from_hours(6),
];
/// More than this is a handler that does not work; the platform keeps the rest for seven hours.
const WAITING_MAX: u64 = 100_000;

/// Where events are stored until they are handled, for [`Router::ack_on_receipt`](crate::Router::ack_on_receipt): a
/// SQLite file.
///
/// An event is acknowledged when the file has it. Its handler runs at once if there is room, and again 1 s, 15 s, 5 min,
/// 1 h and 6 h after it failed; one that fails once more is dead, and kept until [`Inbox::retry`] or
/// [`Inbox::discard`]. What a process leaves behind, the next one handles. Repeats are dropped for as long as the router
/// says, here without end for what waits or is dead.
///
/// One file serves one router of one process. It holds what people wrote: only its owner can read it.
///
/// ```no_run
/// use larkspur::{Inbox, RawEvent, Router};
///
/// async fn takes_minutes(_: RawEvent) {}
///
/// let inbox = Inbox::open("inbox.db")?;
/// let router: Router = Router::new()
///     .on_raw("im.message.receive_v1", takes_minutes)
///     .ack_on_receipt(inbox);
/// # Ok::<(), larkspur::FileError>(())
/// ```
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<Inner>,
    retries: Arc<[Duration]>,
    waiting_max: u64,
}

struct Inner {
    database: Database,
    /// How many events are to be handled or are being handled.
    waiting: AtomicU64,
    /// Something may be due earlier than it was.
    changed: Arc<Notify>,
    /// Whether a router has it.
    taken: AtomicBool,
}

impl Inbox {
    /// Opens a file, or makes it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let mut waiting = 0;
        let database = Database::open(path.as_ref(), &rows::SCHEMA, |connection| {
            waiting = rows::prepare(connection)?;
            Ok(())
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                waiting: AtomicU64::new(waiting),
                changed: Arc::default(),
                taken: AtomicBool::new(false),
            }),
            retries: RETRIES.into(),
            waiting_max: WAITING_MAX,
        })
    }

    /// How long after each failure the next try is; as many tries follow the first.
    #[must_use]
    pub fn retries(mut self, after: impl IntoIterator<Item = Duration>) -> Self {
        self.retries = after.into_iter().collect();
        self
    }

    /// How many events may wait, 100,000 unless it is set. More are answered as failed, so that the platform pushes them
    /// again.
    #[must_use]
    pub fn waiting_max(mut self, events: u64) -> Self {
        self.waiting_max = events;
        self
    }

    /// How many events wait and are dead.
    pub async fn counts(&self) -> Result<Counts, FileError> {
        self.inner.database.call(rows::counts).await
    }

    /// The events that failed for good, the oldest first, at most so many.
    pub async fn dead(&self, at_most: u32) -> Result<Vec<Dead>, FileError> {
        self.inner
            .database
            .call(move |connection| rows::dead(connection, at_most))
            .await
    }

    /// Makes a dead event wait again, as if it had just arrived. `false` when there is none of this id.
    pub async fn retry(&self, id: i64) -> Result<bool, FileError> {
        let now = crate::clock::now();
        let retried = self
            .inner
            .database
            .call(move |connection| rows::retry(connection, id, now));
        let retried = retried.await?;
        if retried {
            self.inner.waiting.fetch_add(1, Ordering::Relaxed);
            self.inner.changed.notify_one();
        }
        Ok(retried)
    }

    /// Forgets a dead event. `false` when there is none of this id.
    pub async fn discard(&self, id: i64) -> Result<bool, FileError> {
        let discarded = self
            .inner
            .database
            .call(move |connection| rows::discard(connection, id));
        discarded.await
    }

    /// Takes it for a router; `None` when another has it.
    pub(crate) fn take(&self) -> Option<Taken> {
        let free = !self.inner.taken.swap(true, Ordering::AcqRel);
        free.then(|| Taken(self.clone()))
    }

    /// When the next try is due after so many failures; `None` when the event is dead.
    fn next_try(&self, failures: u32, now: TimestampMs) -> Option<TimestampMs> {
        let wait = self.retries.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        Some(now.saturating_add(*wait))
    }
}

/// An inbox that a router has; dropping it lets another have it.
pub(crate) struct Taken(Inbox);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.inner.taken.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("retries", &self.retries)
            .field("waiting_max", &self.waiting_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
