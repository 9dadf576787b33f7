//! What was sent and what arrived, by event, handed from one process to another as a file of plain numbers.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::event;

/// When each event arrived first, by number and app, and how often something else did.
#[derive(Debug, Default)]
pub(crate) struct Received {
    apps: usize,
    first_ns: Vec<u64>,
    pub(crate) counts: Counts,
}

/// What a sink counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Events, each counted once for each app that got it.
    pub(crate) distinct: u64,
    /// Those that had arrived before.
    pub(crate) repeats: u64,
    /// Pushes that do not verify or open, and events that nobody sent.
    pub(crate) foreign: u64,
    /// Pushes that were taken.
    pub(crate) taken: u64,
    /// The monotonic time of the last arrival.
    pub(crate) last_ns: u64,
}

impl Received {
    pub(crate) fn new(apps: usize) -> Self {
        Self {
            apps: apps.max(1),
            ..Self::default()
        }
    }

    /// Writes an arrival down; answers whether it was the first, and `None` for an event that is not ours.
    pub(crate) fn arrived(&mut self, event_id: &str, app: usize, now_ns: u64) -> Option<bool> {
        let cell =
            event::seq(event_id).and_then(|seq| usize::try_from(seq).ok()?.checked_mul(self.apps)?.checked_add(app));
        let Some(cell) = cell.filter(|cell| *cell < CELLS_MAX && app < self.apps) else {
            self.counts.foreign += 1;
            return None;
        };
        if cell >= self.first_ns.len() {
            self.first_ns.resize((cell + 1).next_power_of_two(), 0);
        }
        self.counts.last_ns = now_ns;
        let first = self.first_ns[cell] == 0;
        if first {
            self.first_ns[cell] = now_ns;
            self.counts.distinct += 1;
        } else {
            self.counts.repeats += 1;
        }
        Some(first)
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        save(path, &self.first_ns)
    }
}

/// A measurement has fewer deliveries than this; larger numbers are none of ours.
const CELLS_MAX: usize = 100_000_000;

pub(crate) fn save(path: &Path, numbers: &[u64]) -> Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn load(path: &Path) -> Result<Vec<u64>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    Ok(numbers.iter().copied().map(u64::from_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_once_for_each_app() {
        let mut received = Received::new(2);
        let id = event::id(5);
        assert_eq!(received.arrived(&id, 0, 10), Some(true));
        assert_eq!(received.arrived(&id, 1, 11), Some(true));
        assert_eq!(received.arrived(&id, 1, 12), Some(false));
        assert_eq!(received.arrived("nobody's", 0, 13), None);
        assert_eq!(received.arrived(&id, 2, 14), None);
        let counts = received.counts;
        assert_eq!((counts.distinct, counts.repeats, counts.foreign), (2, 1, 2));
    }

    #[test]
    fn numbers_come_back_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers");
        save(&path, &[1, u64::MAX]).unwrap();
        assert_eq!(load(&path).unwrap(), [1, u64::MAX]);
    }
}
