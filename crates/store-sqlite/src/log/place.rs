//! Where an event stands in the log: when it was accepted, and which of that moment it is.
//!
//! The number alone would do if no clock were ever set back.

use std::fmt;

use larkspur_store::{StoreError, TimeRange};
use rusqlite::Row;

use super::{no_cursor, number};

/// A place in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Milliseconds since 1970.
    pub(crate) accepted_at: i64,
    /// The event's number.
    pub(crate) seq: i64,
}

/// A part of the log, from a place on and before another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Option<Place>,
    pub(crate) before: Option<Place>,
}

impl Place {
    /// The place before everything that was accepted at this time.
    pub(crate) fn first_at(accepted_at: i64) -> Self {
        Self {
            accepted_at,
            seq: i64::MIN,
        }
    }

    /// Reads two columns that start at `at`.
    pub(crate) fn read(row: &Row<'_>, at: usize) -> Result<Self, StoreError> {
        Ok(Self {
            accepted_at: number(row, at)?,
            seq: number(row, at + 1)?,
        })
    }

    /// Reads a cursor.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let place = text.split_once('.').and_then(|(accepted_at, seq)| {
            Some(Self {
                accepted_at: accepted_at.parse().ok()?,
                seq: seq.parse().ok()?,
            })
        });
        place.ok_or_else(|| no_cursor(text))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.accepted_at, self.seq)
    }
}

impl Span {
    /// What was accepted in this time and lies behind the cursor, read backwards.
    pub(crate) fn newest_first(accepted: TimeRange, after: Option<Place>) -> Self {
        let to = accepted.to.map(|to| Place::first_at(to.0));
        Self {
            from: accepted.from.map(|from| Place::first_at(from.0)),
            // One bound for the index to use; of two it might take the one that cuts off less.
            before: to.into_iter().chain(after).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let place = Place {
            accepted_at: -7,
            seq: 42,
        };
        assert_eq!(Place::parse(&place.to_string()).unwrap(), place);
        for wrong in ["", "7", "7.", ".7", "seven.7", "7.7.7"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
