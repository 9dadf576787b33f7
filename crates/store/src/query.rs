//! Questions to the log: which events, deliveries and attempts, in which order, and where a page starts.
//!
//! Filters narrow together. A backend looks at a bounded number of rows for one page, so that no question holds it up:
//! a page of a narrow filter may have fewer rows than asked for, even none, while there are more pages.

use larkspur_wire::{AppId, EventId, EventType, TenantKey, TimestampMs};

use crate::{Attempt, Delivery, DeliveryId, DeliveryState};

/// Event types: one by its name, or all whose names fit a pattern in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventGlob(Box<str>);

/// Text that is no pattern of event types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a pattern of event types: 1 to 128 letters, digits, `.`, `_` and `*`")]
pub struct EventGlobError {
    shown: String,
}

/// How much of wrong text an error repeats.
const SHOWN_CHARS_MAX: usize = 60;
/// As long as an event type may be.
const GLOB_BYTES_MAX: usize = 128;

impl EventGlob {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one type.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether it fits every type.
    pub fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }
}

impl std::str::FromStr for EventGlob {
    type Err = EventGlobError;

    fn from_str(text: &str) -> Result<Self, EventGlobError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._*".contains(&byte);
        if (1..=GLOB_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        let shown = text.chars().take(SHOWN_CHARS_MAX).collect();
        Err(EventGlobError { shown })
    }
}

impl From<&EventType> for EventGlob {
    fn from(event_type: &EventType) -> Self {
        Self(event_type.as_str().into())
    }
}

impl std::fmt::Display for EventGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A range of times of acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// From this time on.
    pub from: Option<TimestampMs>,
    /// Before this time.
    pub to: Option<TimestampMs>,
}

/// Which end of the log comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Selects deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only those of this event.
    pub event_id: Option<EventId>,
    /// Only those of events of these types.
    pub event_type: Option<EventGlob>,
    /// Only those of events of this tenant.
    pub tenant_key: Option<TenantKey>,
    /// Only those of this app.
    pub app_id: Option<AppId>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those that are not delivered.
    pub undelivered: bool,
    /// Only those of events that were accepted in this time.
    pub accepted: TimeRange,
    /// In which order; the newest first by default.
    pub order: Order,
    /// Start after this one.
    pub after: Option<DeliveryId>,
    /// At most this many, 1 to [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// Selects events, in order of acceptance, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only this one.
    pub event_id: Option<EventId>,
    /// Only these types.
    pub event_type: Option<EventGlob>,
    /// Only this tenant.
    pub tenant_key: Option<TenantKey>,
    /// Only those that have a delivery for this app.
    pub app_id: Option<AppId>,
    /// Only those that have a delivery in this state, for that app if one is named.
    pub state: Option<DeliveryState>,
    /// Only those that were accepted in this time.
    pub accepted: TimeRange,
    /// The `next` cursor of the page before.
    pub after: Option<String>,
    /// At most this many, 1 to [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// Selects attempts, in the order they were written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptQuery {
    /// Only those of events of these types.
    pub event_type: Option<EventGlob>,
    /// Only those of this app.
    pub app_id: Option<AppId>,
    /// Only those of deliveries that are in this state now.
    pub state: Option<DeliveryState>,
    /// Only those that began at this time or later. With neither this nor `after`, only those written from now on.
    pub since: Option<TimestampMs>,
    /// The `next` of the answer before.
    pub after: Option<String>,
    /// At most this many, 1 to [`LIMIT_MAX`](crate::LIMIT_MAX).
    pub limit: u32,
}

/// An attempt with what it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// Its delivery, as it is now.
    pub delivery: Delivery,
    /// What the event is.
    pub event_type: EventType,
}

/// One page of rows, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Opaque; `None` on the last page.
    pub next: Option<String>,
}

/// Attempts as they were written down, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFeed {
    /// The attempts.
    pub rows: Vec<LoggedAttempt>,
    /// Opaque: asked again with this, the store answers what was written since.
    pub next: String,
    /// Whether there is nothing more at the moment.
    pub caught_up: bool,
}

/// What may leave the log.
///
/// Nothing that is pending goes, nor a dead delivery before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Events accepted before this may go because of their age.
    pub before: TimestampMs,
    /// While more bytes than this are in use, the oldest events may go whatever their age.
    pub bytes_max: Option<u64>,
    /// The `next` of the step before.
    pub after: Option<String>,
    /// The step ends with the event that brings the deleted rows to this many.
    pub rows_max: u32,
}

/// What one step of trimming came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Events deleted, with their deliveries and attempts.
    pub events: u64,
    /// Rows deleted, events, deliveries and attempts together.
    pub rows: u64,
    /// Where the next step goes on; `None` when there is nothing more to delete.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_letters_of_event_types_and_stars() {
        for good in ["*", "hire.*", "im.message.receive_v1", "*_v1"] {
            assert_eq!(
                good.parse::<EventGlob>().map(|glob| glob.to_string()),
                Ok(good.to_owned())
            );
        }
        for wrong in ["", "im message", "im[a]", "im?", &"x".repeat(129)] {
            assert!(wrong.parse::<EventGlob>().is_err(), "{wrong:?}");
        }
    }
}
