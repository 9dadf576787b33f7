//! What all lanes hold together, and what there is still room for.

use std::time::Duration;

use super::brisk::Brisk;

/// Deliveries held for all apps together; beyond it each app holds only what it may be pushed at once. More would only
/// wait longer: two processors push so many in 0.15 to 0.5 s.
pub(super) const HELD_MAX: usize = 8_192;
/// Payloads held together, about; beyond it everything new stays on disk.
pub(super) const BYTES_MAX: usize = 128 << 20;

/// What memory has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// For a queue of each app.
    Queues,
    /// For what each app may be pushed at once.
    Slots,
    Nothing,
}

/// The deliveries of all apps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) held: usize,
    pub(super) bytes: usize,
    /// From being full until there is plenty of room again.
    is_full: bool,
    brisk: Brisk,
}

impl Memory {
    pub(super) fn hold(&mut self, n: usize) {
        self.held += n;
        self.is_full |= self.held >= HELD_MAX;
    }

    pub(super) fn fill(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn release(&mut self, n: usize, bytes: usize) {
        self.held = self.held.saturating_sub(n);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Somebody took one.
    pub(super) fn took(&mut self, elapsed: Duration) {
        self.brisk.took(elapsed);
    }

    pub(super) fn room(&self) -> Room {
        match (self.bytes < BYTES_MAX, self.is_full) {
            (true, false) => Room::Queues,
            (true, true) => Room::Slots,
            (false, _) => Room::Nothing,
        }
    }

    /// Whether memory is full of what is taken fast, so that it is worth waiting for room.
    pub(super) fn is_rushed(&self, elapsed: Duration) -> bool {
        self.room() == Room::Slots && self.brisk.is(elapsed)
    }

    /// Whether there is plenty of room, and whether there was not when this was asked last.
    pub(super) fn has_plenty(&mut self) -> (bool, bool) {
        let has_plenty = self.held < HELD_MAX / 8 * 7 && self.bytes < BYTES_MAX / 4 * 3;
        (has_plenty, has_plenty && std::mem::take(&mut self.is_full))
    }
}
