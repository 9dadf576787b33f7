//! Remembering in memory: a set of fingerprints in two generations, so that forgetting costs nothing.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larkspur_wire::TimestampMs;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// 128 bits of a key under secret hash keys: nobody can make two keys that are taken for one.
pub(super) type Fingerprint = u128;

pub(super) struct Memory {
    keys: [RandomState; 2],
    keep: Duration,
    /// How many ids one generation holds.
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is being handled, and whom to tell when it ends.
    in_flight: HashMap<Fingerprint, Option<Arc<Notify>>, Hashed>,
    /// What was handled in this generation.
    young: HashSet<Fingerprint, Hashed>,
    /// What was handled in the one before.
    old: HashSet<Fingerprint, Hashed>,
    /// When this generation began.
    since: TimestampMs,
}

/// What a key is.
pub(super) enum Begun {
    /// It was new, and is in flight now.
    New,
    /// It is in flight; to be asked again when this completes.
    InFlight(OwnedNotified),
    /// It was handled.
    Done,
}

impl Memory {
    pub(super) fn new(keep: Duration, capacity: usize) -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            keep,
            capacity,
            state: Mutex::default(),
        }
    }

    pub(super) fn fingerprint(&self, parts: [&str; 3]) -> Fingerprint {
        let half = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            for part in parts {
                hasher.write(part.as_bytes());
                // No UTF-8 text has this byte, so that the parts stay apart.
                hasher.write_u8(0xff);
            }
            u128::from(hasher.finish())
        };
        half(&self.keys[0]) << 64 | half(&self.keys[1])
    }

    pub(super) fn begin(&self, key: Fingerprint, now: TimestampMs) -> Begun {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.since(state.since);
        if age >= self.keep || state.young.len() >= self.capacity {
            // After a long quiet both generations are over.
            state.old = take(&mut state.young);
            if age >= self.keep * 2 {
                state.old = HashSet::default();
            }
            state.since = now;
        }
        if state.young.contains(&key) || state.old.contains(&key) {
            return Begun::Done;
        }
        match state.in_flight.entry(key) {
            Entry::Vacant(place) => {
                place.insert(None);
                Begun::New
            }
            Entry::Occupied(mut place) => {
                let ended = place.get_mut().get_or_insert_default();
                Begun::InFlight(Arc::clone(ended).notified_owned())
            }
        }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes a key done that another process handled.
    #[cfg(feature = "sqlite")]
    pub(super) fn remember(&self, key: Fingerprint, now: TimestampMs) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.since = now;
        state.young.insert(key);
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.young.len() + state.old.len()
    }

    /// What was in flight was handled, or not.
    pub(super) fn end(&self, key: Fingerprint, handled: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if handled {
            state.young.insert(key);
        }
        if let Some(Some(ended)) = state.in_flight.remove(&key) {
            ended.notify_waiters();
        }
    }
}

/// Fingerprints are hashes already.
type Hashed = std::hash::BuildHasherDefault<Half>;

#[derive(Default)]
struct Half(u64);

impl Hasher for Half {
    fn write(&mut self, bytes: &[u8]) {
        // Only fingerprints are hashed, and they come as one number.
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, fingerprint: u128) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "half of the bits are enough to find a place"
        )]
        let half = fingerprint as u64;
        self.0 = half;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
