//! Attempts in the order they were written down. Their number is the cursor.

use larkspur_store::{AttemptFeed, AttemptQuery, LIMIT_MAX, LoggedAttempt, StoreError};
use larkspur_wire::TimestampMs;
use rusqlite::{Connection, OptionalExtension, Row};

use super::select::{self, Select};
use super::{SCAN_MAX, no_cursor, number};
use crate::failed;
use crate::row::{
    ATTEMPT_COLUMNS, ATTEMPT_COLUMNS_LEN, DELIVERY_COLUMNS, DELIVERY_COLUMNS_LEN, parsed, read_attempt,
    read_delivery_at, state_number,
};

/// Attempts are written down after they began, and so not quite in the order in which they began; none takes longer.
const LATE_MAX_MS: i64 = 60_000;

// By the primary key: backwards over what is newer, which is what was asked for.
const LAST_BEFORE: &str = "SELECT seq FROM attempt WHERE started_at < ?1 ORDER BY seq DESC LIMIT 1";
// By the primary key.
const NEWEST: &str = "SELECT seq FROM attempt ORDER BY seq DESC LIMIT 1";
// By the primary key.
const OLDEST: &str = "SELECT seq FROM attempt ORDER BY seq LIMIT 1";

/// By the primary keys of all three.
pub(crate) fn select_feed(query: &AttemptQuery, after: i64, until: i64, limit: u32) -> Select {
    let columns = format!("{ATTEMPT_COLUMNS}, {DELIVERY_COLUMNS}, e.event_type, a.seq");
    let from = "attempt AS a CROSS JOIN delivery AS d ON d.id = a.delivery_id \
                CROSS JOIN event AS e ON e.seq = d.event_seq";
    Select::from(&columns, from)
        .and("a.seq > ?", Some(after))
        .and("a.seq <= ?", Some(until))
        .and("a.started_at >= ?", query.since.map(|since| since.0))
        .and("+d.app_id = ?", query.app_id.as_ref().map(ToString::to_string))
        .and("+d.state = ?", query.state.map(state_number))
        .and("+e.event_type = ?", select::exact(query.event_type.as_ref()))
        .and("+e.event_type GLOB ?", select::pattern(query.event_type.as_ref()))
        .order("a.seq", limit)
}

fn one(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Option<i64>, StoreError> {
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params, |row| row.get(0)).optional());
    found.map_err(failed("read the log"))
}

pub(super) fn read(connection: &Connection, query: &AttemptQuery) -> Result<AttemptFeed, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let newest = one(connection, NEWEST, [])?.unwrap_or_default();
    let oldest = one(connection, OLDEST, [])?.unwrap_or_default();
    let after = match (&query.after, query.since) {
        // When the newest were deleted, their numbers are given to the next ones.
        (Some(text), _) => text.parse::<i64>().map_err(|_| no_cursor(text))?.min(newest),
        (None, Some(TimestampMs(since))) => {
            one(connection, LAST_BEFORE, [since.saturating_sub(LATE_MAX_MS)])?.unwrap_or_default()
        }
        (None, None) => newest,
    };
    // What was deleted is not looked for.
    let after = after.max(oldest.saturating_sub(1));
    let until = after.saturating_add(SCAN_MAX.into()).min(newest);
    let read = |row: &Row<'_>| {
        let event_type = ATTEMPT_COLUMNS_LEN + DELIVERY_COLUMNS_LEN;
        let logged = LoggedAttempt {
            attempt: read_attempt(row, 0)?,
            delivery: read_delivery_at(row, ATTEMPT_COLUMNS_LEN)?,
            event_type: parsed(row, event_type, "event")?,
        };
        Ok((number(row, event_type + 1)?, logged))
    };
    let rows = select_feed(query, after, until, limit).all(connection, read)?;
    let full = rows.len() >= limit as usize;
    let next = rows.last().filter(|_| full).map_or(until.max(after), |(seq, _)| *seq);
    Ok(AttemptFeed {
        rows: rows.into_iter().map(|(_, logged)| logged).collect(),
        next: next.to_string(),
        caught_up: next >= newest,
    })
}
