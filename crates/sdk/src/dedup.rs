//! Handling each event once, although the platform may push it several times.
//!
//! The platform pushes an event again when it hears no answer in time, up to seven hours later, and now and then
//! although it got one. The official documentation leaves dropping repeats to the receiver:
//! <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>.

#[cfg(feature = "sqlite")]
mod journal;
mod layer;
mod memory;
mod store;

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use larkspur_wire::TimestampMs;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::delivery::{Delivery, Meta};
#[cfg(feature = "sqlite")]
use crate::file::FileError;
use crate::reply::BoxError;
#[cfg(feature = "sqlite")]
use journal::Journal;
use memory::{Begun, Fingerprint, Memory};

pub use layer::Deduplicated;
pub use store::{BoxFuture, DedupStore, Seen};

/// The last push comes seven hours and a bit after the first.
pub(crate) const KEEP: Duration = Duration::from_hours(8);
/// The last of this many ids are remembered for sure, in 3 to 8 MiB when there are so many.
const CAPACITY: usize = 200_000;
/// The platform waits this long for our answer; a repeat waits no longer for the one before it.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a store of somebody else is asked whether an event is still being handled.
const ASK_EVERY: Duration = Duration::from_millis(100);

type KeyOf = Arc<dyn Fn(&Delivery) -> Option<String> + Send + Sync>;

/// Drops repeats, by app and event id. Every router has one in memory that remembers for 8 hours, unless it is told
/// otherwise with [`Router::dedup`](crate::Router::dedup) or [`Router::without_dedup`](crate::Router::without_dedup).
///
/// An event is new, in flight while its handler runs, or done. What is done is acknowledged without running the handler
/// again. A handler that fails makes its event new again. A repeat of an event in flight waits for the handler that is at
/// it, for as long as the platform waits for the answer (3 s): it is acknowledged when that one is done, takes its turn
/// when that one fails, and is answered as failed when neither happens in time, so that it comes once more.
///
/// Callbacks are never dropped, since each wants its answer; nor are events without an id. Copies of a router share what
/// they remember, and so do clones of this; apps never do, although they may share it.
///
/// It is a tower layer too: `router.without_dedup().layer(dedup)` drops repeats at that place among other layers.
///
/// ```
/// use std::time::Duration;
/// use larkspur::{Dedup, Delivery, Router};
///
/// let by_message = |delivery: &Delivery| {
///     let event: serde_json::Value = serde_json::from_str(delivery.payload()).ok()?;
///     Some(event["message"]["message_id"].as_str()?.to_owned())
/// };
/// let dedup = Dedup::memory(Duration::from_hours(24)).key(by_message);
/// let router: Router = Router::new().dedup(dedup);
/// ```
#[derive(Clone)]
pub struct Dedup {
    store: Store,
    keep: Duration,
    key: Option<KeyOf>,
}

#[derive(Clone)]
enum Store {
    Memory(Arc<Memory>),
    #[cfg(feature = "sqlite")]
    File(Arc<Memory>, Arc<Journal>),
    Other(Arc<dyn DedupStore>),
}

/// What an event is before its handler runs.
pub(crate) enum Repeat {
    /// It is new: its handler may run, and what becomes of it is to be told.
    New(InFlight),
    /// Nothing to know it again by.
    Unknown,
    /// It was handled before.
    Done,
    /// It is being handled, for longer than we wait.
    Busy,
}

impl Default for Dedup {
    /// In memory, for 8 hours.
    fn default() -> Self {
        Self::memory(KEEP)
    }
}

impl Dedup {
    /// Remembers in memory: for this long at least, or the last 200,000 events when more come.
    pub fn memory(keep: Duration) -> Self {
        Self::new(Store::Memory(Arc::new(Memory::new(keep, CAPACITY))), keep)
    }

    /// Remembers in memory, for this long at least, or this many events when more come; each takes up to 40 bytes.
    pub fn memory_of(keep: Duration, events: usize) -> Self {
        Self::new(Store::Memory(Arc::new(Memory::new(keep, events))), keep)
    }

    /// Remembers in memory and in a file, so that the next process knows what this one handled: for this long, and the
    /// last 200,000 events when more came. A file serves one process at a time.
    ///
    /// What was handled in the last moments before a power failure may be handled again.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(path: impl AsRef<Path>, keep: Duration) -> Result<Self, FileError> {
        let memory = Arc::new(Memory::new(keep, CAPACITY));
        let journal = Journal::open(path.as_ref(), keep, &memory, crate::clock::now())?;
        Ok(Self::new(Store::File(memory, Arc::new(journal)), keep))
    }

    /// Remembers in a store of yours, such as Redis, for this long.
    pub fn with_store(store: impl DedupStore, keep: Duration) -> Self {
        Self::new(Store::Other(Arc::new(store)), keep)
    }

    fn new(store: Store, keep: Duration) -> Self {
        Self { store, keep, key: None }
    }

    /// Tells events of one app and type apart by a key of their own. Those for which it is `None` are told apart by
    /// their event id.
    #[must_use]
    pub fn key(mut self, key: impl Fn(&Delivery) -> Option<String> + Send + Sync + 'static) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// By what an event is known again, as text.
    #[cfg(feature = "inbox")]
    pub(crate) fn text_key(&self, delivery: &Delivery) -> Option<String> {
        let own = self.key.as_ref().and_then(|key| key(delivery));
        parts(delivery.meta(), own.as_deref()).map(|parts| parts.join("/"))
    }

    /// For how long an event is remembered.
    #[cfg(feature = "inbox")]
    pub(crate) fn keep(&self) -> Duration {
        self.keep
    }

    /// Finds out whether an event is new, and waits a while for one that is being handled. It fails when the store does.
    pub(crate) async fn begin(&self, delivery: &Delivery) -> Result<Repeat, BoxError> {
        let meta = delivery.meta();
        let own = self.key.as_ref().and_then(|key| key(delivery));
        let Some(parts) = parts(meta, own.as_deref()) else {
            return Ok(Repeat::Unknown);
        };
        let now = meta.received_at;
        match &self.store {
            Store::Memory(memory) => Ok(begin_in_memory(memory, parts, now, Mark::Memory).await),
            #[cfg(feature = "sqlite")]
            Store::File(memory, journal) => {
                let file = InFile {
                    journal: Arc::clone(journal),
                    parts: parts.map(str::to_owned),
                    now,
                };
                Ok(begin_in_memory(memory, parts, now, |memory, key| Mark::File(memory, key, file)).await)
            }
            // Boxed, like everything here that is rare and large, so that the task of an event is small.
            Store::Other(store) => Box::pin(self.begin_elsewhere(store, parts.join("/"))).await,
        }
    }

    async fn begin_elsewhere(&self, store: &Arc<dyn DedupStore>, key: String) -> Result<Repeat, BoxError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match store.begin(&key).await? {
                Seen::New => {
                    let mark = Mark::Elsewhere(Arc::clone(store), key, self.keep);
                    return Ok(Repeat::New(InFlight(Some(mark))));
                }
                Seen::Done => return Ok(Repeat::Done),
                Seen::InFlight if Instant::now() >= deadline => return Ok(Repeat::Busy),
                Seen::InFlight => sleep_until(Instant::now() + ASK_EVERY).await,
            }
        }
    }
}

/// By what an event is known again: the app, the type when the key is the user's, and the key.
fn parts<'a>(meta: &'a Meta, own: Option<&'a str>) -> Option<[&'a str; 3]> {
    match own {
        Some(own) => Some([&meta.app_id, &meta.event_type, own]),
        None if meta.event_id.is_empty() => None,
        None => Some([&meta.app_id, "", &meta.event_id]),
    }
}

async fn begin_in_memory(
    memory: &Arc<Memory>,
    parts: [&str; 3],
    now: TimestampMs,
    mark: impl FnOnce(Arc<Memory>, Fingerprint) -> Mark,
) -> Repeat {
    let key = memory.fingerprint(parts);
    let mut deadline = None;
    loop {
        match memory.begin(key, now) {
            Begun::New => return Repeat::New(InFlight(Some(mark(Arc::clone(memory), key)))),
            Begun::Done => return Repeat::Done,
            Begun::InFlight(ended) => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Box::pin(timeout_at(deadline, ended)).await.is_err() {
                    return Repeat::Busy;
                }
            }
        }
    }
}

/// An event that is being handled. When this is dropped, the event is new again.
pub(crate) struct InFlight(Option<Mark>);

enum Mark {
    Memory(Arc<Memory>, Fingerprint),
    #[cfg(feature = "sqlite")]
    File(Arc<Memory>, Fingerprint, InFile),
    Elsewhere(Arc<dyn DedupStore>, String, Duration),
}

/// What is to be written when an event is done.
#[cfg(feature = "sqlite")]
struct InFile {
    journal: Arc<Journal>,
    parts: [String; 3],
    now: TimestampMs,
}

impl InFlight {
    /// The handler took the event, or failed.
    pub(crate) async fn end(mut self, handled: bool) -> Result<(), BoxError> {
        match self.0.take() {
            Some(Mark::Memory(memory, key)) => memory.end(key, handled),
            #[cfg(feature = "sqlite")]
            Some(Mark::File(memory, key, file)) => {
                let written = if handled {
                    Box::pin(file.journal.done(file.parts, file.now)).await
                } else {
                    Ok(())
                };
                // This process knows what it handled, also when it cannot be written.
                memory.end(key, handled);
                written?;
            }
            Some(Mark::Elsewhere(store, key, keep)) if handled => store.done(&key, keep).await?,
            Some(Mark::Elsewhere(store, key, _)) => store.clear(&key).await?,
            None => {}
        }
        Ok(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // A store elsewhere gives up what is in flight by itself.
        match self.0.take() {
            Some(Mark::Memory(memory, key)) => memory.end(key, false),
            #[cfg(feature = "sqlite")]
            Some(Mark::File(memory, key, _)) => memory.end(key, false),
            Some(Mark::Elsewhere(..)) | None => {}
        }
    }
}

impl fmt::Debug for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = match &self.store {
            Store::Memory(_) => "memory",
            #[cfg(feature = "sqlite")]
            Store::File(..) => "file",
            Store::Other(_) => "elsewhere",
        };
        f.debug_struct("Dedup")
            .field("store", &store)
            .field("keep", &self.keep)
            .field("own_key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
