//! Deleting what is old, and what is too much, in steps small enough that nothing waits for them.
//!
//! What may go is looked for on a connection that reads; the thread that writes only checks again and deletes. Freed
//! pages are used again by SQLite, the file does not shrink.

use std::sync::Arc;

use larkspur_store::{StoreError, Trim, Trimmed};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};

use super::place::{Place, Span};
use super::select::Select;
use crate::damage::Damaged;
use crate::ids::{ID_OF, Ids};
use crate::write::execute;
use crate::{SqliteStore, failed};

/// One step looks at this many events, when most of them have to stay.
const LOOK_MAX: u32 = 2_000;

const DOING: &str = "trim the log";

// By the primary keys of both. Anything pending keeps its event, and anything dead when `?2` is 1.
pub(crate) const IS_KEPT: &str = "SELECT EXISTS (SELECT 1 FROM event AS e CROSS JOIN delivery AS d \
     ON d.id BETWEEN e.first_delivery AND e.last_delivery AND +d.event_seq = e.seq \
     WHERE e.seq = ?1 AND (d.state = 0 OR (d.state = 2 AND ?2)))";
// By the primary keys: from the last attempt on, each names the one before it.
pub(crate) const DELETE_ATTEMPTS: &str = "WITH RECURSIVE attempt_of(seq) AS (\
     SELECT d.last_attempt FROM event AS e CROSS JOIN delivery AS d \
     ON d.id BETWEEN e.first_delivery AND e.last_delivery AND +d.event_seq = e.seq \
     WHERE e.seq = ?1 AND d.last_attempt IS NOT NULL \
     UNION ALL SELECT a.previous FROM attempt_of AS newer JOIN attempt AS a ON a.seq = newer.seq \
     WHERE a.previous IS NOT NULL) DELETE FROM attempt WHERE seq IN attempt_of";
// By the primary keys of both.
pub(crate) const DELETE_DELIVERIES: &str = "DELETE FROM delivery WHERE event_seq = ?1 \
     AND id BETWEEN (SELECT first_delivery FROM event WHERE seq = ?1) \
     AND (SELECT last_delivery FROM event WHERE seq = ?1)";
// By the primary key.
pub(crate) const DELETE_EVENT: &str = "DELETE FROM event WHERE seq = ?1";

fn events_within(columns: &str, span: Span) -> Select {
    Select::from(columns, "event AS e")
        .and_place("(e.accepted_at, e.seq) > (?, ?)", span.from)
        .and_place("(e.accepted_at, e.seq) < (?, ?)", span.before)
}

const OLDEST_FIRST: &str = "e.accepted_at, e.seq";

/// By `event_by_time`, and the primary key of deliveries for each.
pub(crate) fn select_trimmable(before: i64, span: Span, limit: u32) -> Select {
    let kept = "NOT EXISTS (SELECT 1 FROM delivery AS d \
                WHERE d.id BETWEEN e.first_delivery AND e.last_delivery AND +d.event_seq = e.seq \
                AND (d.state = 0 OR (d.state = 2 AND e.accepted_at >= ?)))";
    events_within("e.accepted_at, e.seq", span)
        .and(kept, Some(before))
        .order(OLDEST_FIRST, limit)
}

/// By `event_by_time` alone.
pub(crate) fn select_all(span: Span, limit: u32) -> Select {
    events_within("e.accepted_at, e.seq", span).order(OLDEST_FIRST, limit)
}

/// Where a step ends at the latest. By `event_by_time` alone.
pub(crate) fn select_trimmable_end(span: Span) -> Select {
    events_within("e.accepted_at, e.seq", span)
        .order(OLDEST_FIRST, 1)
        .last_of(LOOK_MAX)
}

/// What a step may delete, and where the next one goes on.
struct Step {
    places: Vec<Place>,
    next: Option<Place>,
}

/// Whether more bytes are in use than allowed; pages freed in this very transaction are not.
fn is_too_much(connection: &Connection, bytes_max: Option<u64>) -> Result<bool, StoreError> {
    let Some(bytes_max) = bytes_max else {
        return Ok(false);
    };
    let pragma = |sql| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row([], |row| row.get::<_, i64>(0))
    };
    let used = || Ok((pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?) * pragma("PRAGMA page_size")?);
    let used: i64 = used().map_err(failed(DOING))?;
    Ok(used.unsigned_abs() > bytes_max)
}

fn look(connection: &Connection, trim: &Trim) -> Result<Step, StoreError> {
    let too_much = is_too_much(connection, trim.bytes_max)?;
    let mut span = Span {
        from: trim.after.as_deref().map(Place::parse).transpose()?,
        before: (!too_much).then(|| Place::first_at(trim.before.0)),
    };
    let place = |row: &Row<'_>| Place::read(row, 0);
    let end = select_trimmable_end(span).all(connection, place)?.pop();
    if let Some(Place { accepted_at, seq }) = end {
        span.before = Some(Place {
            accepted_at,
            seq: seq.saturating_add(1),
        });
    }
    let limit = trim.rows_max.max(1);
    let places = match select_trimmable(trim.before.0, span, limit).all(connection, place) {
        // Something cannot be read; whoever deletes looks at each by itself.
        Err(StoreError::Backend { .. }) => select_all(span, limit).all(connection, place)?,
        places => places?,
    };
    let full = places.len() >= limit as usize;
    let next = if full { places.last().copied() } else { end };
    Ok(Step { places, next })
}

/// Deletes an event with its deliveries and attempts, unless it has to stay. Answers how many rows that were.
fn delete_event(tx: &Transaction<'_>, ids: &Ids, place: Place, young: bool) -> Result<u64, StoreError> {
    let kept: bool = tx
        .prepare_cached(IS_KEPT)
        .and_then(|mut statement| statement.query_row(params![place.seq, young], |row| row.get(0)))
        .map_err(failed(DOING))?;
    // Something may have been resent since it was looked at.
    if kept {
        return Ok(0);
    }
    let id: Option<String> = tx
        .prepare_cached(ID_OF)
        .and_then(|mut statement| statement.query_row([place.seq], |row| row.get(0)).optional())
        .map_err(failed(DOING))?;
    if let Some(id) = id.and_then(|id| id.parse().ok()) {
        ids.remove(tx, &id, place.seq)?;
    }
    let mut rows = 0;
    for sql in [DELETE_ATTEMPTS, DELETE_DELIVERIES, DELETE_EVENT] {
        rows += execute(tx, DOING, sql, [place.seq])? as u64;
    }
    Ok(rows)
}

/// Finds the damaged ones among these, so that they fail no other step.
fn look_over(tx: &Transaction<'_>, damaged: &Damaged, places: &[Place]) {
    for Place { seq, .. } in places {
        let kept = |mut statement: CachedStatement<'_>| statement.exists(params![seq, true]);
        let id = |mut statement: CachedStatement<'_>| statement.exists([seq]);
        let kept = tx.prepare_cached(IS_KEPT).and_then(kept);
        let read = kept.and_then(|_| tx.prepare_cached(ID_OF).and_then(id));
        if let Err(error) = read.map_err(failed(DOING)) {
            damaged.note_event(*seq, &error);
        }
    }
}

fn delete(tx: &Transaction<'_>, ids: &Ids, damaged: &Damaged, step: &Step, trim: &Trim) -> Result<Trimmed, StoreError> {
    let mut trimmed = Trimmed {
        next: step.next.map(|place| place.to_string()),
        ..Trimmed::default()
    };
    for (idx, place) in step.places.iter().enumerate() {
        let young = place.accepted_at >= trim.before.0;
        if young && !is_too_much(tx, trim.bytes_max)? {
            trimmed.next = None;
            break;
        }
        if damaged.has_event(place.seq) {
            continue;
        }
        let deleted = delete_event(tx, ids, *place, young).inspect_err(|error| {
            damaged.note_event(place.seq, error);
            look_over(tx, damaged, &step.places[idx..]);
        });
        match deleted? {
            0 => continue,
            rows => trimmed.rows += rows,
        }
        trimmed.events += 1;
        let more = idx + 1 < step.places.len();
        if more && trimmed.rows >= trim.rows_max.into() {
            trimmed.next = Some(place.to_string());
            break;
        }
    }
    Ok(trimmed)
}

pub(super) async fn trim(store: &SqliteStore, trim: &Trim) -> Result<Trimmed, StoreError> {
    let trim = trim.clone();
    let asked = trim.clone();
    let step = store.readers.read(move |connection| look(connection, &asked)).await?;
    if step.places.is_empty() {
        return Ok(Trimmed {
            next: step.next.map(|place| place.to_string()),
            ..Trimmed::default()
        });
    }
    let step = Arc::new(step);
    let make = || {
        let (ids, damaged) = (Arc::clone(&store.ids), Arc::clone(&store.damaged));
        let (step, trim) = (Arc::clone(&step), trim.clone());
        move |tx: &Transaction<'_>| delete(tx, &ids, &damaged, &step, &trim)
    };
    store.write_past_damage(DOING, make).await
}
