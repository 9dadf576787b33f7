//! Leasing, and what waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use larkspur_store::{
    Accepted, Backlog, CLAIM_BYTES_MAX, Claim, Claimed, DeliveryId, DeliveryQueue, Depth, LIMIT_MAX, NewEvent,
    Settlement, StoreError, WAITING, Want,
};
use larkspur_wire::{AppId, TimestampMs};
use rusqlite::{Connection, Row, Transaction, params};

use crate::accept::{ACCEPT, Accepting, bytes};
use crate::lanes::Lane;
use crate::registry::all;
use crate::row::{DELIVERY_COLUMNS_LEN, parsed, read_delivery, read_delivery_id, read_event};
use crate::settle::{SETTLING, Settling};
use crate::write::execute;
use crate::{SqliteStore, failed};

// By delivery_due, which has no fresh leases.
pub(crate) const DUE: &str = "SELECT id FROM delivery WHERE state = 0 AND leased < 2 AND app_id = ?1 AND due_at <= ?2 \
     ORDER BY due_at, event_seq LIMIT ?3";
// By the primary key.
pub(crate) const LEASE: &str = "UPDATE delivery SET leased = 1, due_at = ?2, generation = generation + 1 WHERE id = ?1";
// By the primary keys of both.
pub(crate) const LEASED: &str = "SELECT d.id, e.id, d.app_id, d.withheld, d.state, d.attempts, d.due_at, d.generation, \
     d.order_key IS NOT NULL, e.id, e.event_type, e.tenant_key, e.create_time, e.accepted_at, e.payload \
     FROM delivery AS d JOIN event AS e ON e.seq = d.event_seq WHERE d.id = ?1";
// By delivery_due.
pub(crate) const NEXT_DUE: &str = "SELECT min(due_at) FROM delivery WHERE state = 0 AND leased < 2 AND app_id = ?1";
// By delivery_due, which has all the columns it asks for.
pub(crate) const BACKLOG: &str =
    "SELECT app_id, count(*), min(due_at) FROM delivery WHERE state = 0 AND leased < 2 GROUP BY app_id";
// By the primary key.
pub(crate) const FRESH_BACKLOG: &str = "SELECT app_id, 1, due_at FROM delivery \
     WHERE id > (SELECT after FROM fresh) AND state = 0 AND leased = 2";
// By delivery_due, which has all the columns it asks for.
pub(crate) const RELEASE: &str =
    "UPDATE delivery SET leased = 0, due_at = ?1 WHERE state = 0 AND leased < 2 AND leased = 1";

// By the primary key.
pub(crate) const RESEND: &str = "UPDATE delivery SET state = 0, due_at = ?2, generation = generation + 1 \
     WHERE id = ?1 AND leased = 0 AND NOT (state = 0 AND due_at = ?3) AND (?4 OR state <> 1)";
// By delivery_due.
pub(crate) const PENDING_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 0 AND leased < 2";
// By the primary key.
pub(crate) const FRESH_COUNT: &str =
    "SELECT count(*) FROM delivery WHERE id > (SELECT after FROM fresh) AND state = 0 AND leased = 2";
// By delivery_dead.
pub(crate) const DEAD_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 2";

fn claim_due(
    tx: &Transaction<'_>,
    want: &Want,
    now: TimestampMs,
    until: TimestampMs,
    bytes_left: &mut usize,
) -> Result<Claimed, StoreError> {
    const DOING: &str = "claim deliveries";
    let app_id = want.app_id.as_str();
    let id = |row: &Row<'_>| read_delivery_id(row, 0);
    let due = all(tx, DOING, DUE, params![app_id, now.0, want.limit.min(LIMIT_MAX)], id)?;
    let mut claims = Vec::with_capacity(due.len());
    for DeliveryId(id) in due {
        if *bytes_left == 0 {
            break;
        }
        let id = id.to_be_bytes();
        execute(tx, DOING, LEASE, params![id, until.0])?;
        let read = |row: &Row<'_>| {
            Ok(Claim {
                delivery: read_delivery(row)?,
                event: read_event(row, DELIVERY_COLUMNS_LEN)?,
            })
        };
        for claim in all(tx, DOING, LEASED, [id], read)? {
            *bytes_left = bytes_left.saturating_sub(claim.event.payload.len());
            claims.push(claim);
        }
    }
    let mut next_due = tx.prepare_cached(NEXT_DUE).map_err(failed(DOING))?;
    let next_due: Option<i64> = next_due.query_row([app_id], |row| row.get(0)).map_err(failed(DOING))?;
    Ok(Claimed {
        app_id: want.app_id.clone(),
        claims,
        next_due: read_due(next_due),
    })
}

/// A due time that will come.
fn read_due(due_at: Option<i64>) -> Option<TimestampMs> {
    due_at.map(TimestampMs).filter(|at| *at != WAITING)
}

impl SqliteStore {
    async fn make_due(&self, ids: Vec<DeliveryId>, due_at: TimestampMs, delivered: bool) -> Result<u64, StoreError> {
        const DOING: &str = "make deliveries due again";
        let resend = move |tx: &Transaction<'_>| {
            let one = |sum, id: DeliveryId| {
                let row = params![id.0.to_be_bytes(), due_at.0, WAITING.0, delivered];
                execute(tx, DOING, RESEND, row).map(|rows| sum + rows as u64)
            };
            ids.into_iter().try_fold(0, one)
        };
        self.writer.write(DOING, resend).await
    }
}

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = events.iter().map(bytes).sum();
        let (ids, fresh) = (Arc::clone(&self.ids), Arc::clone(&self.fresh));
        let accept = move |tx: &Transaction<'_>| {
            let mut accepting = Accepting::new(tx, &ids, &fresh)?;
            let accepted = events.iter().map(|event| accepting.accept(event)).collect();
            drop(accepting);
            fresh.gather_many(tx)?;
            accepted
        };
        self.writer.write_in(Lane::Accept { bytes }, ACCEPT, accept).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let settle = move |tx: &Transaction<'_>| {
            let mut settling = Settling::new(tx)?;
            settlements
                .iter()
                .try_for_each(|settlement| settling.settle(settlement))
        };
        self.writer.write_in(Lane::First, SETTLING, settle).await
    }

    async fn claim(
        &self,
        wants: Vec<Want>,
        now: TimestampMs,
        lease_until: TimestampMs,
    ) -> Result<Vec<Claimed>, StoreError> {
        let fresh = Arc::clone(&self.fresh);
        let claim = move |tx: &Transaction<'_>| {
            fresh.gather(tx)?;
            let mut bytes_left = CLAIM_BYTES_MAX;
            let one = |want| claim_due(tx, want, now, lease_until, &mut bytes_left);
            wants.iter().map(one).collect()
        };
        self.writer.write_in(Lane::First, "claim deliveries", claim).await
    }

    async fn resend(&self, ids: Vec<DeliveryId>, due_at: TimestampMs) -> Result<u64, StoreError> {
        self.make_due(ids, due_at, true).await
    }

    async fn resend_undelivered(&self, ids: Vec<DeliveryId>, due_at: TimestampMs) -> Result<u64, StoreError> {
        self.make_due(ids, due_at, false).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        const DOING: &str = "read what is pending";
        let read = |row: &Row<'_>| {
            let number = |column| row.get::<_, i64>(column).map_err(failed(DOING));
            Ok((
                parsed::<AppId>(row, 0, "delivery")?,
                number(1)?.unsigned_abs(),
                number(2)?,
            ))
        };
        let query = move |connection: &Connection| {
            // Both as of one moment.
            let moment = connection.unchecked_transaction().map_err(failed(DOING))?;
            let mut backlog = BTreeMap::<AppId, (u64, i64)>::new();
            for sql in [BACKLOG, FRESH_BACKLOG] {
                for (app_id, pending, due_at) in all(&moment, DOING, sql, [], read)? {
                    let (sum, next_due) = backlog.entry(app_id).or_insert((0, i64::MAX));
                    *sum += pending;
                    *next_due = due_at.min(*next_due);
                }
            }
            let of_app = |(app_id, (pending, next_due))| Backlog {
                app_id,
                pending,
                next_due: read_due(Some(next_due)),
            };
            Ok(backlog.into_iter().map(of_app).collect())
        };
        self.readers.read(query).await
    }

    async fn release_leases(&self, now: TimestampMs) -> Result<u64, StoreError> {
        const DOING: &str = "release leases";
        let fresh = Arc::clone(&self.fresh);
        let release = move |tx: &Transaction<'_>| {
            fresh.gather(tx)?;
            execute(tx, DOING, RELEASE, [now.0]).map(|rows| rows as u64)
        };
        self.writer.write(DOING, release).await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        const DOING: &str = "count deliveries";
        let query = |connection: &Connection| {
            let count = |sql| {
                let mut statement = connection.prepare_cached(sql)?;
                statement.query_row([], |row| row.get::<_, i64>(0))
            };
            let _moment = connection.unchecked_transaction().map_err(failed(DOING))?;
            let pending = count(PENDING_COUNT).map_err(failed(DOING))? + count(FRESH_COUNT).map_err(failed(DOING))?;
            Ok(Depth {
                pending: pending.unsigned_abs(),
                dead: count(DEAD_COUNT).map_err(failed(DOING))?.unsigned_abs(),
            })
        };
        self.readers.read(query).await
    }
}
