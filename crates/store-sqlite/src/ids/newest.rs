//! The ids in memory, and what the transaction under way does to them.

use std::collections::{BTreeMap, BTreeSet};

/// The fingerprint of an id, and the number of the event.
pub(super) type Entry = (i64, i64);

#[derive(Debug, Default)]
pub(super) struct Newest {
    by_print: BTreeSet<Entry>,
    by_seq: BTreeMap<i64, i64>,
    /// Events with lesser numbers are in the file.
    mark: i64,
    /// Up to where the file has what was in memory when it last came by.
    folded_to: Option<Entry>,
    /// What the transaction under way has changed.
    changes: Vec<(Change, Entry)>,
    /// What the transaction under way has written to the file.
    folding: Vec<Entry>,
    marking: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Added,
    Removed,
}

impl Newest {
    pub(super) fn len(&self) -> usize {
        self.by_print.len()
    }

    /// The events with this fingerprint.
    pub(super) fn with(&self, print: i64) -> Vec<i64> {
        let same = self.by_print.range((print, i64::MIN)..=(print, i64::MAX));
        same.map(|(_, seq)| *seq).collect()
    }

    /// What the file says, outside of any transaction.
    pub(super) fn mark_is(&mut self, mark: i64) {
        self.mark = mark;
    }

    /// An id that was read, outside of any transaction.
    pub(super) fn load(&mut self, entry: Entry) {
        self.change(Change::Added, entry);
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.change(Change::Added, entry);
        self.changes.push((Change::Added, entry));
    }

    pub(super) fn remove(&mut self, entry: Entry) {
        if self.by_print.contains(&entry) {
            self.change(Change::Removed, entry);
            self.changes.push((Change::Removed, entry));
        }
    }

    fn change(&mut self, change: Change, (print, seq): Entry) {
        match change {
            Change::Added => {
                self.by_print.insert((print, seq));
                self.by_seq.insert(seq, print);
            }
            Change::Removed => {
                self.by_print.remove(&(print, seq));
                self.by_seq.remove(&seq);
            }
        }
    }

    /// The next ones in the order of fingerprints, beginning anew after the last.
    pub(super) fn next(&self, count: usize) -> Vec<Entry> {
        let from = self.folded_to.unwrap_or((i64::MIN, i64::MIN));
        let around = self.by_print.range(from..).chain(self.by_print.range(..from));
        around.take(count).copied().collect()
    }

    /// The transaction has written these to the file. They leave the memory when it is on disk.
    pub(super) fn fold(&mut self, entries: Vec<Entry>) {
        self.folding = entries;
    }

    /// Where the transaction has to move the mark, if anywhere: back at once, since numbers begin anew when the last
    /// events are deleted, and on when it is so far behind.
    pub(super) fn next_mark(&mut self, step: i64) -> Option<i64> {
        let (first, _) = self.by_seq.first_key_value()?;
        let moves = *first < self.mark || *first >= self.mark.saturating_add(step);
        self.marking = moves.then_some(*first);
        self.marking
    }

    /// The transaction is on disk.
    pub(super) fn committed(&mut self) {
        self.changes.clear();
        self.mark = self.marking.take().unwrap_or(self.mark);
        let folded = std::mem::take(&mut self.folding);
        self.folded_to = folded.last().copied().or(self.folded_to);
        for entry in folded {
            self.change(Change::Removed, entry);
        }
    }

    /// How much the transaction has changed.
    pub(super) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// What the transaction has changed beyond so many changes was undone.
    pub(super) fn undone(&mut self, kept: usize) {
        self.folding.clear();
        self.marking = None;
        while self.changes.len() > kept {
            match self.changes.pop() {
                Some((Change::Added, entry)) => self.change(Change::Removed, entry),
                Some((Change::Removed, entry)) => self.change(Change::Added, entry),
                None => {}
            }
        }
    }
}
