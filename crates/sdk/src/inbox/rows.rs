//! The inbox's table: one row for each event, from its arrival until it is forgotten.

use std::borrow::Cow;
use std::sync::Arc;

use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Payload;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::delivery::{Delivery, Meta, Transport};
use crate::file::Schema;

/// `LKin`. `due_at` is when a waiting event is to be handled, and when a done one is to be forgotten.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4c4b_696e,
    version: 1,
    create: "CREATE TABLE event (
                 id INTEGER PRIMARY KEY,
                 key TEXT UNIQUE,
                 state INTEGER NOT NULL,
                 due_at INTEGER NOT NULL,
                 failures INTEGER NOT NULL,
                 received_at INTEGER NOT NULL,
                 meta TEXT NOT NULL,
                 payload TEXT NOT NULL,
                 error TEXT
             ) STRICT;
             CREATE INDEX event_due ON event (state, due_at);",
};

/// Done is 1.
const WAITING: i64 = 0;
const DEAD: i64 = 2;
/// Nobody looks through more; the oldest go.
const DEAD_MAX: i64 = 10_000;

/// What a handler has at this moment; it lives in memory, so that it ends with the process.
const RUNNING: &str = "CREATE TEMP TABLE running (id INTEGER PRIMARY KEY)";
const ADD: &str = "INSERT INTO event (key, state, due_at, failures, received_at, meta, payload)
    VALUES (?1, 0, ?2, 0, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING RETURNING id";
/// By `event_due`.
const FORGET: &str = "DELETE FROM event WHERE id IN
    (SELECT id FROM event WHERE state = 1 AND due_at <= ?1 ORDER BY due_at LIMIT 4)";
const RUN: &str = "INSERT INTO running VALUES (?1)";
/// By `event_due`; what runs is waiting too.
const DUE: &str = "SELECT id, failures, received_at, meta, payload FROM event
    WHERE state = 0 AND due_at <= ?1 AND id NOT IN (SELECT id FROM running) ORDER BY due_at, id LIMIT ?2";
/// By `event_due`.
const NEXT: &str = "SELECT due_at FROM event
    WHERE state = 0 AND id NOT IN (SELECT id FROM running) ORDER BY due_at LIMIT 1";
const STOP: &str = "DELETE FROM running WHERE id = ?1";
/// What has no key is not known again, so that there is nothing to keep.
const FINISH_WITHOUT_KEY: &str = "DELETE FROM event WHERE id = ?1 AND key IS NULL";
const FINISH: &str = "UPDATE event SET state = 1, due_at = ?2, meta = '', payload = '', error = NULL WHERE id = ?1";
const FAIL: &str = "UPDATE event SET state = ?2, due_at = ?3, failures = failures + 1, error = ?4 WHERE id = ?1";
/// By `event_due`.
const FORGET_DEAD: &str = "DELETE FROM event WHERE id IN
    (SELECT id FROM event WHERE state = 2 ORDER BY due_at DESC, id DESC LIMIT -1 OFFSET ?1)";
/// By `event_due`.
const COUNT: &str = "SELECT COUNT(*) FROM event WHERE state = ?1";
/// By `event_due`.
const LIST_DEAD: &str = "SELECT id, failures, received_at, meta, payload, error FROM event
    WHERE state = 2 ORDER BY due_at, id LIMIT ?1";
const RETRY: &str = "UPDATE event SET state = 0, due_at = ?2, failures = 0 WHERE id = ?1 AND state = 2";
const DISCARD: &str = "DELETE FROM event WHERE id = ?1 AND state = 2";

/// How many events an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Events that are to be handled, or are being handled.
    pub waiting: u64,
    /// Events that failed for good.
    pub dead: u64,
}

/// An event that failed for good.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dead {
    /// Names it in this inbox.
    pub id: i64,
    /// The event.
    pub delivery: Delivery,
    /// How often its handler was tried.
    pub failures: u32,
    /// How it failed the last time.
    pub error: String,
}

/// An event to be stored.
pub(super) struct New {
    pub(super) key: Option<String>,
    pub(super) delivery: Delivery,
    /// Whether its handler runs at once.
    pub(super) runs: bool,
}

/// What became of an event that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is stored.
    Stored(i64),
    /// It had been stored before.
    Repeat,
}

/// An event whose handler is to run.
pub(super) struct Due {
    pub(super) id: i64,
    pub(super) failures: u32,
    pub(super) delivery: Delivery,
}

/// What became of a try.
pub(super) enum Tried {
    /// The handler took the event, which is to be forgotten then.
    Done { forget_at: TimestampMs },
    /// The handler failed; the event is due again then, or dead.
    Failed {
        error: String,
        again_at: Option<TimestampMs>,
    },
}

/// The header as it is stored, which is no wire format.
#[derive(Serialize, Deserialize)]
struct StoredMeta<'a> {
    event_id: Cow<'a, str>,
    event_type: Cow<'a, str>,
    tenant_key: Cow<'a, str>,
    app_id: Cow<'a, str>,
    create_time: Option<TimestampMs>,
    connection: Option<Cow<'a, str>>,
    extra: Cow<'a, Map<String, Value>>,
}

/// Makes a file ready, and answers how many events wait.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch(RUNNING)?;
    count(connection, WAITING)
}

pub(super) fn add(connection: &Connection, new: &New) -> rusqlite::Result<Added> {
    let meta = new.delivery.meta();
    let now = meta.received_at;
    connection.prepare_cached(FORGET)?.execute([now.0])?;
    let stored = write_meta(meta);
    let id = connection
        .prepare_cached(ADD)?
        .query_row(params![new.key, now.0, stored, new.delivery.payload()], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(id) = id else {
        return Ok(Added::Repeat);
    };
    if new.runs {
        connection.prepare_cached(RUN)?.execute([id])?;
    }
    Ok(Added::Stored(id))
}

/// Takes what is due, up to so many, and when the next is.
pub(super) fn take(connection: &Connection, now: TimestampMs, at_most: usize) -> rusqlite::Result<Vec<Due>> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut due = connection.prepare_cached(DUE)?;
    let due = due.query_map(params![now.0, at_most], read_due)?;
    let due: Vec<Due> = due.collect::<Result<_, _>>()?;
    let mut run = connection.prepare_cached(RUN)?;
    for event in &due {
        run.execute([event.id])?;
    }
    Ok(due)
}

pub(super) fn next(connection: &Connection) -> rusqlite::Result<Option<TimestampMs>> {
    let next = connection
        .prepare_cached(NEXT)?
        .query_row((), |row| row.get(0))
        .optional()?;
    Ok(next.map(TimestampMs))
}

pub(super) fn settle(connection: &Connection, id: i64, tried: &Tried, now: TimestampMs) -> rusqlite::Result<()> {
    connection.prepare_cached(STOP)?.execute([id])?;
    match tried {
        Tried::Done { forget_at } => {
            if connection.prepare_cached(FINISH_WITHOUT_KEY)?.execute([id])? == 0 {
                connection.prepare_cached(FINISH)?.execute([id, forget_at.0])?;
            }
        }
        Tried::Failed { error, again_at } => {
            let (state, due_at) = again_at.map_or((DEAD, now.0), |at| (WAITING, at.0));
            connection
                .prepare_cached(FAIL)?
                .execute(params![id, state, due_at, error])?;
            if again_at.is_none() {
                connection.prepare_cached(FORGET_DEAD)?.execute([DEAD_MAX])?;
            }
        }
    }
    Ok(())
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    Ok(Counts {
        waiting: count(connection, WAITING)?,
        dead: count(connection, DEAD)?,
    })
}

pub(super) fn dead(connection: &Connection, at_most: u32) -> rusqlite::Result<Vec<Dead>> {
    let mut list = connection.prepare_cached(LIST_DEAD)?;
    let dead = list.query_map([at_most], |row| {
        let Due { id, failures, delivery } = read_due(row)?;
        let error: Option<String> = row.get(5)?;
        Ok(Dead {
            id,
            delivery,
            failures,
            error: error.unwrap_or_default(),
        })
    })?;
    dead.collect()
}

pub(super) fn retry(connection: &Connection, id: i64, now: TimestampMs) -> rusqlite::Result<bool> {
    Ok(connection.prepare_cached(RETRY)?.execute([id, now.0])? > 0)
}

pub(super) fn discard(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    Ok(connection.prepare_cached(DISCARD)?.execute([id])? > 0)
}

fn count(connection: &Connection, state: i64) -> rusqlite::Result<u64> {
    let count: i64 = connection.prepare_cached(COUNT)?.query_row([state], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn read_due(row: &Row<'_>) -> rusqlite::Result<Due> {
    let received_at = TimestampMs(row.get(2)?);
    let meta = read_meta(row.get_ref(3)?.as_str()?, received_at);
    let payload: String = row.get(4)?;
    let meta = meta.map_err(|error| {
        let error = Box::new(error);
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, error)
    })?;
    Ok(Due {
        id: row.get(0)?,
        failures: row.get(1)?,
        delivery: Delivery::from_parts(meta, Payload::from(payload)),
    })
}

fn write_meta(meta: &Meta) -> String {
    let stored = StoredMeta {
        event_id: (&*meta.event_id).into(),
        event_type: (&*meta.event_type).into(),
        tenant_key: (&*meta.tenant_key).into(),
        app_id: (&*meta.app_id).into(),
        create_time: meta.create_time,
        connection: match &meta.transport {
            Transport::Webhook => None,
            Transport::PersistentConnection { connection } => Some((&**connection).into()),
        },
        extra: Cow::Borrowed(&meta.extra),
    };
    serde_json::to_string(&stored).expect("text and JSON are JSON")
}

fn read_meta(json: &str, received_at: TimestampMs) -> Result<Meta, serde_json::Error> {
    let stored: StoredMeta<'_> = serde_json::from_str(json)?;
    Ok(Meta {
        event_id: stored.event_id.into_owned(),
        event_type: stored.event_type.into_owned(),
        tenant_key: stored.tenant_key.into_owned(),
        app_id: stored.app_id.into_owned(),
        create_time: stored.create_time,
        received_at,
        transport: stored
            .connection
            .map_or(Transport::Webhook, |connection| Transport::PersistentConnection {
                connection: Arc::from(&*connection),
            }),
        extra: stored.extra.into_owned(),
    })
}
