//! What waits to be written, in two lanes: accepted events, which are bounded and refused beyond that, and everything
//! else, which goes first.
//!
//! Settling must never wait behind what is still being published, or a store under load would deliver ever less of it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use larkspur_store::StoreError;

use crate::write::Job;

/// One transaction takes this many jobs of each lane; more would make the first ones wait.
const COMMIT_JOBS_MAX: usize = 512;
/// One transaction takes accepted events until they are this large together.
const COMMIT_BYTES_MAX: usize = 4 << 20;
/// Events are accepted in commits that begin this far apart: beyond a thousand commits a second, each that others ride in
/// with saves more of the processor than it costs them in time. An event that comes alone waits for nothing.
const COMMITS_APART: Duration = Duration::from_millis(1);
/// Jobs other than accepting that may wait. Their callers wait for the answer, so that there are few.
const OTHERS_MAX: usize = 8_192;

/// Where a job waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// Events to accept, which take this many bytes.
    Accept { bytes: usize },
    /// Everything else.
    First,
}

#[derive(Default)]
struct Waiting {
    first: VecDeque<Box<dyn Job>>,
    accepts: VecDeque<(usize, Box<dyn Job>)>,
    accept_bytes: usize,
    closed: bool,
    /// Whether the writer waits for a job.
    idle: bool,
    /// When events may be taken again.
    next_accept: Option<Instant>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("first", &self.first.len())
            .field("accepts", &self.accepts.len())
            .field("accept_bytes", &self.accept_bytes)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Lanes {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    accept_bytes_max: usize,
}

impl Lanes {
    pub(crate) fn new(accept_bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            accept_bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a job wait, or refuses it. A batch larger than the bound is taken when nothing else waits to be accepted.
    pub(crate) fn push(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        match lane {
            Lane::Accept { bytes } => {
                let full = waiting.accept_bytes.saturating_add(bytes) > self.accept_bytes_max;
                if full && !waiting.accepts.is_empty() {
                    return Err(StoreError::Busy {
                        waiting: waiting.accepts.len(),
                    });
                }
                waiting.accept_bytes = waiting.accept_bytes.saturating_add(bytes);
                waiting.accepts.push_back((bytes, job));
            }
            Lane::First if waiting.first.len() >= OTHERS_MAX => {
                return Err(StoreError::Busy {
                    waiting: waiting.first.len(),
                });
            }
            Lane::First => waiting.first.push_back(job),
        }
        let idle = waiting.idle;
        drop(waiting);
        if idle {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes what goes into the next transaction, and waits when there is nothing. `None` when the lanes are closed and
    /// empty.
    pub(crate) fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let idle = |waiting: &mut Waiting| {
            waiting.idle = !waiting.closed && waiting.first.is_empty() && waiting.accepts.is_empty();
            waiting.idle
        };
        let mut waiting = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = waiting.next_accept
            && !(waiting.accepts.is_empty() || waiting.closed)
        {
            drop(waiting);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            waiting = self.lock();
        }
        let n_first = waiting.first.len().min(COMMIT_JOBS_MAX);
        let mut taken: Vec<_> = waiting.first.drain(..n_first).collect();
        let mut bytes_taken = 0;
        while taken.len() < n_first + COMMIT_JOBS_MAX && bytes_taken < COMMIT_BYTES_MAX {
            let Some((bytes, job)) = waiting.accepts.pop_front() else {
                break;
            };
            waiting.accept_bytes -= bytes;
            bytes_taken += bytes;
            taken.push(job);
        }
        if taken.len() > n_first {
            waiting.next_accept = Some(Instant::now() + COMMITS_APART);
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Closes, and drops what waits, so that whoever waits for it learns that nobody writes any more.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.first.clear();
        waiting.accepts.clear();
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Transaction;

    use super::*;

    struct Nothing;

    impl Job for Nothing {
        fn run(&mut self, _: &Transaction<'_>) -> bool {
            true
        }

        fn answer(self: Box<Self>, _: Result<(), &rusqlite::Error>) {}
    }

    fn accept(lanes: &Lanes, bytes: usize) -> Result<(), StoreError> {
        lanes.push(Lane::Accept { bytes }, Box::new(Nothing))
    }

    fn n_taken(lanes: &Lanes) -> usize {
        lanes.take().map_or(0, |taken| taken.len())
    }

    #[test]
    fn events_beyond_the_bound_are_refused_until_others_are_taken() {
        let lanes = Lanes::new(100);
        accept(&lanes, 60).unwrap();
        assert!(matches!(accept(&lanes, 60), Err(StoreError::Busy { waiting: 1 })));
        accept(&lanes, 40).unwrap();
        assert_eq!(n_taken(&lanes), 2);
        accept(&lanes, 100).unwrap();
    }

    #[test]
    fn a_batch_larger_than_the_bound_is_taken_alone() {
        let lanes = Lanes::new(100);
        accept(&lanes, usize::MAX).unwrap();
        assert!(matches!(accept(&lanes, 1), Err(StoreError::Busy { .. })));
        assert_eq!(n_taken(&lanes), 1);
    }

    #[test]
    fn a_transaction_is_bounded_in_jobs_and_in_bytes() {
        let lanes = Lanes::new(usize::MAX);
        for bytes in [COMMIT_BYTES_MAX / 2, COMMIT_BYTES_MAX / 2, 1] {
            accept(&lanes, bytes).unwrap();
        }
        assert_eq!(n_taken(&lanes), 2);
        assert_eq!(n_taken(&lanes), 1);
        for _ in 0..=COMMIT_JOBS_MAX {
            accept(&lanes, 1).unwrap();
        }
        assert_eq!(n_taken(&lanes), COMMIT_JOBS_MAX);
        assert_eq!(n_taken(&lanes), 1);
    }

    #[test]
    fn what_is_not_accepting_is_neither_refused_nor_held_up_by_it() {
        let lanes = Lanes::new(1);
        for _ in 0..COMMIT_JOBS_MAX {
            lanes.push(Lane::First, Box::new(Nothing)).unwrap();
        }
        accept(&lanes, 1).unwrap();
        assert!(accept(&lanes, 1).is_err());
        lanes.push(Lane::First, Box::new(Nothing)).unwrap();
        // And accepting goes on beside it.
        assert_eq!(n_taken(&lanes), COMMIT_JOBS_MAX + 1);
        assert_eq!(n_taken(&lanes), 1);
    }

    #[test]
    fn events_are_taken_a_millisecond_apart_and_other_jobs_at_once() {
        let lanes = Lanes::new(usize::MAX);
        let begun = Instant::now();
        accept(&lanes, 1).unwrap();
        assert_eq!(n_taken(&lanes), 1);
        lanes.push(Lane::First, Box::new(Nothing)).unwrap();
        assert_eq!(n_taken(&lanes), 1);
        accept(&lanes, 1).unwrap();
        assert_eq!(n_taken(&lanes), 1);
        assert!(begun.elapsed() >= COMMITS_APART);
    }

    #[test]
    fn closed_lanes_give_what_waits_and_take_nothing() {
        let lanes = Lanes::new(1);
        accept(&lanes, 1).unwrap();
        lanes.close();
        assert!(matches!(accept(&lanes, 1), Err(StoreError::Closed)));
        assert_eq!(n_taken(&lanes), 1);
        assert!(lanes.take().is_none());
    }
}
