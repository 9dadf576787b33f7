//! What a client did, told when it ends.

use std::fmt;

/// So many event ids are named; more are only counted.
const NAMED_MAX: usize = 1_000;

/// What a client did until it was shut down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Events that arrived, repeats included.
    pub received: u64,
    /// Events that a handler took.
    pub handled: u64,
    /// Events that a handler failed on, which the platform pushes again.
    pub failed: u64,
    /// Events that went to the inbox, to be handled from there.
    pub stored: u64,
    /// Repeats of events that had been handled.
    pub repeated: u64,
    /// Events that were too old to be handled.
    pub stale: u64,
    /// Events that no handler was there for.
    pub unhandled: u64,
    /// Events that arrived after the client was asked to stop, and were refused: the platform pushes them again.
    pub refused: u64,
    /// How often the connection was opened.
    pub connections: u64,
    /// The ids of events whose handlers were still running at the deadline. They run on while the runtime lives, but
    /// the platform pushes these events again.
    pub left: Vec<String>,
    /// The ids of events that were handled and not acknowledged, since no connection stood: the platform pushes them
    /// again.
    pub unacknowledged: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            handled,
            failed,
            stored,
            repeated,
            stale,
            unhandled,
            refused,
            connections,
            left,
            unacknowledged,
        } = self;
        write!(f, "received {received} events over {connections} connections: ")?;
        write!(
            f,
            "{handled} handled, {failed} failed, {stored} stored, {repeated} repeated, {stale} too old, "
        )?;
        write!(f, "{unhandled} without a handler")?;
        if *refused > 0 {
            write!(f, ", {refused} refused while stopping")?;
        }
        for (ids, what) in [(left, "still running"), (unacknowledged, "not acknowledged")] {
            if !ids.is_empty() {
                write!(f, "; {what}: {}", ids.join(", "))?;
            }
        }
        Ok(())
    }
}

/// At most so many ids as a report names.
pub(super) fn named(ids: impl Iterator<Item = String>) -> Vec<String> {
    ids.take(NAMED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_was_left() {
        let report = Report {
            received: 4,
            handled: 2,
            failed: 1,
            connections: 1,
            refused: 3,
            left: vec!["e1".to_owned()],
            unacknowledged: vec!["e2".to_owned(), "e3".to_owned()],
            ..Report::default()
        };
        let text = "received 4 events over 1 connections: 2 handled, 1 failed, 0 stored, 0 repeated, \
                    0 too old, 0 without a handler, 3 refused while stopping; still running: e1; not acknowledged: e2, e3";
        assert_eq!(report.to_string(), text);
    }
}
