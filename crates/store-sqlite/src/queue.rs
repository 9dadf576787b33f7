//! Accepting, leasing, settling.

use async_trait::async_trait;
use larkspur_store::{
    Accepted, Claim, DeliveryId, DeliveryQueue, Depth, LIMIT_MAX, NewDelivery, NewEvent, Settlement, StoreError,
    Verdict,
};
use larkspur_wire::{EventId, TimestampMs};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::lanes::Lane;
use crate::registry::{SAVE_BINDING, all};
use crate::row::{
    DEAD, DELIVERED, DELIVERY_COLUMNS_LEN, PENDING, corrupt, parsed, read_delivery, read_delivery_id, read_event,
    read_withheld, write_mode, write_withheld,
};
use crate::write::execute;
use crate::{SqliteStore, failed};

// By the unique index on event.id.
pub(crate) const DIGEST: &str = "SELECT seq, digest FROM event WHERE id = ?1";
const NEW_EVENT: &str = "INSERT INTO event (id, event_type, tenant_key, create_time, accepted_at, digest, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const NEW_DELIVERY: &str = "INSERT INTO delivery \
     (id, event_seq, app_id, withheld, state, leased, due_at, attempts, generation) VALUES (?1, ?2, ?3, ?4, 0, 1, ?5, 0, 1)";
// By delivery_by_event.
pub(crate) const DELIVERIES_OF: &str = "SELECT id, app_id, withheld FROM delivery WHERE event_seq = ?1 ORDER BY seq";

// By delivery_due.
pub(crate) const DUE: &str = "SELECT seq FROM delivery WHERE state = 0 AND due_at <= ?1 ORDER BY due_at, seq LIMIT ?2";
// By the primary key.
pub(crate) const LEASE: &str =
    "UPDATE delivery SET leased = 1, due_at = ?2, generation = generation + 1 WHERE seq = ?1";
// By the primary keys of both.
pub(crate) const LEASED: &str = "SELECT d.id, e.id, d.app_id, d.withheld, d.state, d.attempts, d.due_at, d.generation, \
     e.id, e.event_type, e.tenant_key, e.create_time, e.accepted_at, e.payload \
     FROM delivery AS d JOIN event AS e ON e.seq = d.event_seq WHERE d.seq = ?1";
// By delivery_due.
pub(crate) const NEXT_DUE: &str = "SELECT MIN(due_at) FROM delivery WHERE state = 0";
// By delivery_due, which has all the columns it asks for.
pub(crate) const RELEASE: &str = "UPDATE delivery SET leased = 0, due_at = ?1 WHERE state = 0 AND leased = 1";

// By the unique index on delivery.id.
pub(crate) const SETTLE: &str = "UPDATE delivery SET state = ?3, leased = 0, due_at = coalesce(?4, due_at), attempts = ?5 \
     WHERE id = ?1 AND generation = ?2 AND state = 0";
pub(crate) const NEW_ATTEMPT: &str = "INSERT INTO attempt \
     (delivery_seq, number, started_at, mode, target, code, took_us, answer, error) \
     SELECT seq, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM delivery WHERE id = ?1";

// By the unique index on delivery.id.
pub(crate) const RESEND: &str = "UPDATE delivery SET state = 0, due_at = ?2, generation = generation + 1 \
     WHERE id = ?1 AND leased = 0";
// By delivery_due.
pub(crate) const PENDING_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 0";
// By delivery_dead.
pub(crate) const DEAD_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 2";

const ACCEPT: &str = "accept events";

/// About what a row takes besides the payload: ids, digest, and the list it is in.
const ROW_BYTES: usize = 512;

/// What an event takes while it waits, about.
fn bytes(event: &NewEvent) -> usize {
    event.payload.len() + ROW_BYTES * (1 + event.deliveries.len())
}

fn accept_one(tx: &Transaction<'_>, event: &NewEvent) -> Result<Accepted, StoreError> {
    let known: Option<(i64, Vec<u8>)> = tx
        .prepare_cached(DIGEST)
        .and_then(|mut statement| {
            statement
                .query_row([event.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(failed(ACCEPT))?;
    if let Some((seq, digest)) = known {
        let same = digest == event.digest;
        return if same {
            Ok(Accepted::Repeated(deliveries_of(tx, seq)?))
        } else {
            Ok(Accepted::Conflict)
        };
    }
    let tenant_key = event.tenant_key.as_ref().map(larkspur_wire::TenantKey::as_str);
    let row = params![
        event.id.as_str(),
        event.event_type.as_str(),
        tenant_key,
        event.create_time.0,
        event.accepted_at.0,
        event.digest,
        &event.payload[..],
    ];
    execute(tx, ACCEPT, NEW_EVENT, row)?;
    let seq = tx.last_insert_rowid();
    for delivery in &event.deliveries {
        let NewDelivery { id, app_id, withheld } = delivery;
        let row = params![
            id.0.to_be_bytes(),
            seq,
            app_id.as_str(),
            write_withheld(withheld),
            event.lease_until.0
        ];
        execute(tx, ACCEPT, NEW_DELIVERY, row)?;
    }
    for (key, app_id) in &event.binds {
        execute(tx, ACCEPT, SAVE_BINDING, params![key.kind, key.id, app_id.as_str()])?;
    }
    Ok(Accepted::New)
}

fn deliveries_of(connection: &Connection, event_seq: i64) -> Result<Vec<NewDelivery>, StoreError> {
    let read = |row: &Row<'_>| {
        let withheld: Option<String> = row.get(2).map_err(|error| corrupt("delivery", &error))?;
        Ok(NewDelivery {
            id: read_delivery_id(row, 0)?,
            app_id: parsed(row, 1, "delivery")?,
            withheld: read_withheld(withheld.as_deref())?,
        })
    };
    all(connection, ACCEPT, DELIVERIES_OF, [event_seq], read)
}

fn settle_one(tx: &Transaction<'_>, settlement: &Settlement) -> Result<(), StoreError> {
    const DOING: &str = "settle deliveries";
    let Settlement {
        delivery,
        generation,
        attempt,
        verdict,
    } = settlement;
    let id = delivery.0.to_be_bytes();
    let (state, due_at) = match verdict {
        Verdict::Delivered => (DELIVERED, None),
        Verdict::Again(at) => (PENDING, Some(at.0)),
        Verdict::Dead => (DEAD, None),
    };
    execute(
        tx,
        DOING,
        SETTLE,
        params![id, generation, state, due_at, attempt.number],
    )?;
    let took_us = i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX);
    let row = params![
        id,
        attempt.number,
        attempt.started_at.0,
        write_mode(attempt.mode),
        attempt.target,
        attempt.code,
        took_us,
        &attempt.answer[..],
        attempt.error,
    ];
    execute(tx, DOING, NEW_ATTEMPT, row).map(drop)
}

fn claim_due(tx: &Transaction<'_>, now: TimestampMs, until: TimestampMs, limit: u32) -> Result<Vec<Claim>, StoreError> {
    const DOING: &str = "claim deliveries";
    let seq = |row: &Row<'_>| row.get::<_, i64>(0).map_err(failed(DOING));
    let due = all(tx, DOING, DUE, params![now.0, limit.min(LIMIT_MAX)], seq)?;
    let mut claims = Vec::with_capacity(due.len());
    for seq in due {
        execute(tx, DOING, LEASE, params![seq, until.0])?;
        let read = |row: &Row<'_>| {
            Ok(Claim {
                delivery: read_delivery(row)?,
                event: read_event(row, DELIVERY_COLUMNS_LEN)?,
            })
        };
        claims.extend(all(tx, DOING, LEASED, [seq], read)?);
    }
    Ok(claims)
}

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = events.iter().map(bytes).sum();
        let accept = move |tx: &Transaction<'_>| events.iter().map(|event| accept_one(tx, event)).collect();
        self.writer.write_in(Lane::Accept { bytes }, ACCEPT, accept).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let settle =
            move |tx: &Transaction<'_>| settlements.iter().try_for_each(|settlement| settle_one(tx, settlement));
        self.writer.write("settle deliveries", settle).await
    }

    async fn claim(&self, now: TimestampMs, lease_until: TimestampMs, limit: u32) -> Result<Vec<Claim>, StoreError> {
        self.writer
            .write("claim deliveries", move |tx| claim_due(tx, now, lease_until, limit))
            .await
    }

    async fn resend(&self, ids: Vec<DeliveryId>, due_at: TimestampMs) -> Result<u64, StoreError> {
        const DOING: &str = "make deliveries due again";
        let resend = move |tx: &Transaction<'_>| {
            let one = |sum, id: DeliveryId| {
                execute(tx, DOING, RESEND, params![id.0.to_be_bytes(), due_at.0]).map(|rows| sum + rows as u64)
            };
            ids.into_iter().try_fold(0, one)
        };
        self.writer.write(DOING, resend).await
    }

    async fn next_due(&self) -> Result<Option<TimestampMs>, StoreError> {
        const DOING: &str = "read the next due time";
        let query = |connection: &Connection| {
            let mut statement = connection.prepare_cached(NEXT_DUE).map_err(failed(DOING))?;
            let due: Option<i64> = statement.query_row([], |row| row.get(0)).map_err(failed(DOING))?;
            Ok(due.map(TimestampMs))
        };
        self.readers.read(query).await
    }

    async fn release_leases(&self, now: TimestampMs) -> Result<u64, StoreError> {
        const DOING: &str = "release leases";
        self.writer
            .write(DOING, move |tx| {
                execute(tx, DOING, RELEASE, [now.0]).map(|rows| rows as u64)
            })
            .await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        const DOING: &str = "count deliveries";
        let query = |connection: &Connection| {
            let count = |sql| {
                let mut statement = connection.prepare_cached(sql)?;
                statement.query_row([], |row| row.get::<_, i64>(0))
            };
            Ok(Depth {
                pending: count(PENDING_COUNT).map_err(failed(DOING))?.unsigned_abs(),
                dead: count(DEAD_COUNT).map_err(failed(DOING))?.unsigned_abs(),
            })
        };
        self.readers.read(query).await
    }
}

/// The number of an event, for queries by event id.
pub(crate) fn event_seq(connection: &Connection, id: &EventId) -> Result<Option<i64>, StoreError> {
    const DOING: &str = "read an event";
    let mut statement = connection.prepare_cached(DIGEST).map_err(failed(DOING))?;
    statement
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
        .map_err(failed(DOING))
}
