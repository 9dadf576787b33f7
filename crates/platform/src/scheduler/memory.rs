//! What all lanes hold together, and what there is still room for.

/// Deliveries held for all apps together; beyond it each app holds only what it may be pushed at once. More would only
/// wait longer: two processors push so many in 0.15 to 0.5 s.
pub(super) const HELD_MAX: usize = 8_192;
/// Payloads held together, about; beyond it each app holds one delivery at a time, and beyond twice as much none that is
/// new.
pub(super) const BYTES_MAX: usize = 128 << 20;
/// Payloads held for one app, about, so that no few apps leave the others without.
pub(super) const LANE_BYTES_MAX: usize = 16 << 20;

/// What memory has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// For a queue of each app.
    Queues,
    /// For what each app may be pushed at once.
    Slots,
    /// For one delivery of each app.
    One,
    Nothing,
}

/// The deliveries of all apps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) held: usize,
    pub(super) bytes: usize,
    /// Each from reaching its limit until there is plenty of room again.
    is_full: bool,
    is_heavy: bool,
    /// Whether there was room for nothing when this was asked last.
    is_over: bool,
}

impl Memory {
    pub(super) fn hold(&mut self, n: usize) {
        self.held += n;
        self.is_full |= self.held >= HELD_MAX;
    }

    pub(super) fn fill(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_heavy |= self.bytes >= BYTES_MAX;
        self.is_over |= self.bytes >= 2 * BYTES_MAX;
    }

    pub(super) fn release(&mut self, n: usize, bytes: usize) {
        self.held = self.held.saturating_sub(n);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn room(&self) -> Room {
        match (self.is_heavy, self.is_full) {
            (false, false) => Room::Queues,
            (false, true) => Room::Slots,
            (true, _) if self.bytes < 2 * BYTES_MAX => Room::One,
            (true, _) => Room::Nothing,
        }
    }

    /// Whether there has come to be more room since this was asked last.
    pub(super) fn eases(&mut self) -> bool {
        let before = (self.is_full, self.is_heavy, self.is_over);
        self.is_full &= self.held >= HELD_MAX / 8 * 7;
        self.is_heavy &= self.bytes >= BYTES_MAX / 4 * 3;
        self.is_over = self.bytes >= 2 * BYTES_MAX;
        before != (self.is_full, self.is_heavy, self.is_over)
    }
}
