//! Running one handler: panics are caught, slow ones are named, and nobody takes longer or more room than allowed.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
#[cfg(feature = "inbox")]
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::Failure;
use crate::delivery::{Delivery, Meta};
use crate::reply::{Answer, BoxError};
use crate::router::Policy;
use crate::service::Handlers;
use crate::tally::Tally;

/// The platform waits this long for our answer, and pushes the event again after it.
const ACK_DEADLINE: Duration = Duration::from_secs(3);
/// A handler that takes longer is worth a warning before the platform gives up on it.
const SLOW: Duration = Duration::from_millis(2_500);
/// For each handler that may run, this many events wait. More would wait for longer than the platform does.
const WAITING_PER_HANDLER: usize = 4;

pub(crate) struct Runner {
    handlers: Handlers,
    time_limit: Duration,
    free: Arc<Semaphore>,
    concurrency: u32,
    waiting: AtomicUsize,
    waiting_max: usize,
    tally: Tally,
}

/// Why nobody took an event, and in what words.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    #[cfg_attr(not(feature = "inbox"), expect(dead_code, reason = "only the inbox keeps it"))]
    pub(crate) why: String,
}

impl Runner {
    pub(super) fn new(handlers: Handlers, policy: &Policy) -> Self {
        let concurrency = u32::try_from(policy.concurrency.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let permits = usize::try_from(concurrency).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            handlers,
            time_limit: policy.time_limit,
            free: Arc::new(Semaphore::new(permits)),
            concurrency,
            waiting: AtomicUsize::new(0),
            waiting_max: permits.saturating_mul(WAITING_PER_HANDLER),
            tally: policy.tally.clone(),
        }
    }

    /// Runs the handler of an event when there is room, and logs what goes wrong.
    pub(super) async fn run(&self, delivery: &Delivery) -> Result<Answer, Failure> {
        let Some(_room) = self.room().await else {
            let meta = delivery.meta();
            tracing::warn!(
                event.id = %meta.event_id,
                "too many handlers are running to take `{}`; the platform pushes it again", meta.event_type
            );
            return Err(Failure::Busy);
        };
        self.run_in(delivery).await.map_err(|failed| failed.failure)
    }

    /// Runs the handler of an event that there is room for, and logs what goes wrong.
    pub(crate) async fn run_in(&self, delivery: &Delivery) -> Result<Answer, Failed> {
        #[cfg(feature = "metrics")]
        let started = Instant::now();
        let meta = delivery.meta();
        // Making the arguments is the handler's work too, so a panic there is caught as well.
        let handling = AssertUnwindSafe(self.handlers.handle(delivery.clone())).catch_unwind();
        let handled = self.in_time(handling, meta).await;
        #[cfg(feature = "metrics")]
        Tally::took(meta, started.elapsed());
        if !delivery.drift().is_empty() {
            self.tally.drift(meta, delivery.drift());
        }
        let (failure, why) = match handled {
            Ok(Ok(Ok(answer))) => return Ok(answer),
            Ok(Ok(Err(error))) => {
                let error = chain(&error);
                tracing::error!(event.id = %meta.event_id, %error, "handler of `{}` failed", meta.event_type);
                (Failure::Handler, error)
            }
            Ok(Err(_panic)) => {
                tracing::error!(event.id = %meta.event_id, "handler of `{}` panicked", meta.event_type);
                (Failure::Panicked, Failure::Panicked.to_string())
            }
            Err(_elapsed) => {
                let limit = self.time_limit.as_secs_f32();
                tracing::error!(
                    event.id = %meta.event_id,
                    "handler of `{}` was stopped: it may take {limit:.1}s", meta.event_type
                );
                (Failure::TimedOut, Failure::TimedOut.to_string())
            }
        };
        Err(Failed { failure, why })
    }

    /// Room for a handler, if there is any and nobody waits for it.
    #[cfg(feature = "inbox")]
    pub(crate) fn free_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Waits for room for a handler, and answers how much there is, up to so much.
    #[cfg(feature = "inbox")]
    pub(crate) async fn rooms(&self, at_most: usize) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let more = std::iter::from_fn(|| self.free_room()).take(at_most.saturating_sub(1));
        Some(std::iter::once(first).chain(more).collect())
    }

    /// Completes when no handler runs or waits.
    pub(super) async fn idle(&self) {
        // It is never closed.
        let _ = self.free.acquire_many(self.concurrency).await;
    }

    /// Waits for room for one more handler; `None` when too many others wait already.
    async fn room(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(room) = self.free.try_acquire() {
            return Some(room);
        }
        let _waiting = Waiting::join(&self.waiting, self.waiting_max)?;
        self.free.acquire().await.ok()
    }

    /// Waits for a handler, and says when it takes long.
    async fn in_time<F: Future>(&self, handling: F, meta: &Meta) -> Result<F::Output, Elapsed> {
        let mut handling = pin!(handling);
        // Many handlers are done when they are asked first, and need no timer.
        if let Poll::Ready(handled) = poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await {
            return Ok(handled);
        }
        // Timers are boxed, so that the tasks of all the others are small: the system's allocator takes far longer for
        // more than a KiB.
        let Some(rest) = self.time_limit.checked_sub(SLOW) else {
            return Box::pin(timeout(self.time_limit, handling)).await;
        };
        if let Ok(handled) = Box::pin(timeout(SLOW, handling.as_mut())).await {
            return Ok(handled);
        }
        let deadline = ACK_DEADLINE.as_secs();
        tracing::warn!(
            event.id = %meta.event_id,
            "handler of `{}` took {:.1}s of {deadline}s, and is still at it", meta.event_type, SLOW.as_secs_f32()
        );
        let slow = Instant::now();
        let handled = Box::pin(timeout(rest, handling)).await;
        let took = (SLOW + slow.elapsed()).as_secs_f32();
        tracing::info!(event.id = %meta.event_id, "handler of `{}` took {took:.1}s in the end", meta.event_type);
        handled
    }
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(waiting);
        // When it is refused, dropping the place counts it out again.
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An error and its sources, on one line.
pub(super) fn chain(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
