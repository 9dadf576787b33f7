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
use crate::damage::Damaged;
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
// By the primary key.
pub(crate) const LOOK_AT: &str = "SELECT state FROM delivery WHERE id = ?1";
// By the primary keys of both.
pub(crate) const LOOK_AT_BOTH: &str =
    "SELECT d.state, e.accepted_at FROM delivery AS d JOIN event AS e ON e.seq = d.event_seq WHERE d.id = ?1";
// By delivery_due, when rows before cannot be claimed.
pub(crate) const NEXT_LATER: &str =
    "SELECT min(due_at) FROM delivery WHERE state = 0 AND leased < 2 AND app_id = ?1 AND due_at > ?2";
// By delivery_due, which has all the columns it asks for.
pub(crate) const BACKLOG: &str =
    "SELECT app_id, count(*), min(due_at) FROM delivery WHERE state = 0 AND leased < 2 GROUP BY app_id";
// By the primary key.
pub(crate) const FRESH_BACKLOG: &str = "SELECT app_id, 1, due_at FROM delivery \
     WHERE id > (SELECT after FROM fresh) AND state = 0 AND leased = 2";
// By delivery_due, which has all the columns it asks for.
pub(crate) const RELEASE: &str =
    "UPDATE delivery SET leased = 0, due_at = ?1 WHERE state = 0 AND leased < 2 AND leased = 1";
// By delivery_due, which has all the columns it asks for; and by the primary key.
pub(crate) const LEASES: &str = "SELECT id FROM delivery WHERE state = 0 AND leased < 2 AND leased = 1";
pub(crate) const RELEASE_ONE: &str = "UPDATE delivery SET leased = 0, due_at = ?1 WHERE id = ?2";

// By the primary key, and delivery_in_order: one that has a pending predecessor waits for it.
pub(crate) const RESEND: &str = "UPDATE delivery SET state = 0, generation = generation + 1, due_at = CASE \
     WHEN order_key IS NOT NULL AND EXISTS (SELECT 1 FROM delivery AS p WHERE p.state = 0 \
         AND p.app_id = delivery.app_id AND p.order_key = delivery.order_key \
         AND (p.event_seq, p.id) < (delivery.event_seq, delivery.id)) \
     THEN ?3 ELSE ?2 END \
     WHERE id = ?1 AND leased = 0 AND NOT (state = 0 AND due_at = ?3) AND (?4 OR state <> 1)";
// By the primary key and delivery_in_order: its successors wait for it again, unless they are on their way.
pub(crate) const HOLD_SUCCESSORS: &str = "UPDATE delivery SET due_at = ?2 WHERE leased = 0 AND id IN (\
     SELECT later.id FROM delivery AS first JOIN delivery AS later \
     ON later.state = 0 AND later.app_id = first.app_id AND later.order_key = first.order_key \
     AND (later.event_seq, later.id) > (first.event_seq, first.id) WHERE first.id = ?1)";
// By delivery_due.
pub(crate) const PENDING_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 0 AND leased < 2";
// By the primary key.
pub(crate) const FRESH_COUNT: &str =
    "SELECT count(*) FROM delivery WHERE id > (SELECT after FROM fresh) AND state = 0 AND leased = 2";
// By delivery_dead.
pub(crate) const DEAD_COUNT: &str = "SELECT count(*) FROM delivery WHERE state = 2";

const CLAIMING: &str = "claim deliveries";
/// When a page is damaged, so many of the next deliveries are looked at, most of which may be on it.
const LOOK_OVER: u32 = 1_000;
const RELEASING: &str = "release leases";

/// Until when a claim leases, and as of when.
#[derive(Clone, Copy)]
struct Lease {
    now: TimestampMs,
    until: TimestampMs,
}

fn claim_due(
    tx: &Transaction<'_>,
    damaged: &Damaged,
    want: &Want,
    lease: Lease,
    bytes_left: &mut usize,
) -> Result<Claimed, StoreError> {
    let Lease { now, until } = lease;
    let app_id = want.app_id.as_str();
    let limit = want.limit.min(LIMIT_MAX);
    if damaged.has_app(&want.app_id) {
        return Ok(Claimed {
            app_id: want.app_id.clone(),
            claims: Vec::new(),
            next_due: None,
        });
    }
    let of_app = |error: &StoreError| damaged.note_app(&want.app_id, error);
    // What is damaged stays due, and is found each time.
    let look_at = limit + damaged.deliveries();
    let read_id = |row: &Row<'_>| read_delivery_id(row, 0);
    let due = all(tx, CLAIMING, DUE, params![app_id, now.0, look_at], read_id);
    let mut due = due.inspect_err(of_app)?;
    let (n_due, mut are_more) = (due.len(), due.len() == look_at as usize);
    due.retain(|id| !damaged.has(*id));
    let are_damaged = due.len() < n_due;
    let mut claims = Vec::with_capacity(due.len());
    for id in &due {
        if *bytes_left == 0 || claims.len() == limit as usize {
            are_more = true;
            break;
        }
        let claimed = claim_one(tx, *id, until).inspect_err(|error| {
            damaged.note(*id, error);
            let near = all(tx, CLAIMING, DUE, params![app_id, now.0, look_at + LOOK_OVER], read_id);
            damaged.look_over(near.unwrap_or_default(), |id| look(tx, LOOK_AT_BOTH, id));
        });
        if let Some(claim) = claimed? {
            *bytes_left = bytes_left.saturating_sub(claim.event.payload.len());
            claims.push(claim);
        }
    }
    let next_due = match (are_damaged, are_more) {
        (false, _) => read_next_due(tx, NEXT_DUE, params![app_id]),
        (true, true) => Ok(Some(now)),
        (true, false) => read_next_due(tx, NEXT_LATER, params![app_id, now.0]),
    };
    let next_due = next_due.inspect_err(of_app)?;
    Ok(Claimed {
        app_id: want.app_id.clone(),
        claims,
        next_due,
    })
}

fn claim_one(tx: &Transaction<'_>, id: DeliveryId, until: TimestampMs) -> Result<Option<Claim>, StoreError> {
    execute(tx, CLAIMING, LEASE, params![id.0.to_be_bytes(), until.0])?;
    read_claim(tx, id)
}

fn read_claim(tx: &Transaction<'_>, id: DeliveryId) -> Result<Option<Claim>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Claim {
            delivery: read_delivery(row)?,
            event: read_event(row, DELIVERY_COLUMNS_LEN)?,
        })
    };
    Ok(all(tx, CLAIMING, LEASED, [id.0.to_be_bytes()], read)?.pop())
}

/// Reads a delivery, to see whether it can be read.
pub(crate) fn look_at(tx: &Transaction<'_>, id: DeliveryId) -> Result<(), StoreError> {
    look(tx, LOOK_AT, id)
}

fn look(tx: &Transaction<'_>, sql: &str, id: DeliveryId) -> Result<(), StoreError> {
    all(tx, "read a delivery", sql, [id.0.to_be_bytes()], |_| Ok(())).map(drop)
}

fn read_next_due(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Option<TimestampMs>, StoreError> {
    let mut statement = tx.prepare_cached(sql).map_err(failed(CLAIMING))?;
    let next_due = statement
        .query_row(params, |row| row.get(0))
        .map_err(failed(CLAIMING))?;
    Ok(read_due(next_due))
}

/// Frees what is leased. What is damaged stays as it is, and is left alone.
fn release(tx: &Transaction<'_>, damaged: &Damaged, now: TimestampMs) -> Result<u64, StoreError> {
    let leases = || all(tx, RELEASING, LEASES, [], |row| read_delivery_id(row, 0));
    let released = if damaged.deliveries() == 0 {
        execute(tx, RELEASING, RELEASE, [now.0]).map(|rows| rows as u64)
    } else {
        let one = |sum, id: DeliveryId| {
            let released = execute(tx, RELEASING, RELEASE_ONE, params![now.0, id.0.to_be_bytes()]);
            Ok(sum + released.inspect_err(|error| damaged.note(id, error))? as u64)
        };
        leases()?.into_iter().filter(|id| !damaged.has(*id)).try_fold(0, one)
    };
    released.inspect_err(|_| damaged.look_over(leases().unwrap_or_default(), |id| look_at(tx, id)))
}

/// A due time that will come.
fn read_due(due_at: Option<i64>) -> Option<TimestampMs> {
    due_at.map(TimestampMs).filter(|at| *at != WAITING)
}

impl SqliteStore {
    async fn make_due(&self, ids: Vec<DeliveryId>, due_at: TimestampMs, delivered: bool) -> Result<u64, StoreError> {
        const DOING: &str = "make deliveries due again";
        let resend = move |tx: &Transaction<'_>| {
            let one = |sum, id: &DeliveryId| {
                let id = id.0.to_be_bytes();
                let rows = execute(tx, DOING, RESEND, params![id, due_at.0, WAITING.0, delivered])?;
                if rows > 0 {
                    execute(tx, DOING, HOLD_SUCCESSORS, params![id, WAITING.0])?;
                }
                Ok(sum + rows as u64)
            };
            ids.iter().try_fold(0, one)
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
        let (ids, fresh, damaged) = (
            Arc::clone(&self.ids),
            Arc::clone(&self.fresh),
            Arc::clone(&self.damaged),
        );
        let accept = move |tx: &Transaction<'_>| {
            let mut accepting = Accepting::new(tx, &ids, &fresh)?;
            let accepted = events.iter().map(|event| accepting.accept(event)).collect();
            drop(accepting);
            fresh.gather_many(tx, &damaged)?;
            accepted
        };
        self.writer.write_in(Lane::Accept { bytes }, ACCEPT, accept).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let damaged = Arc::clone(&self.damaged);
        let settle = move |tx: &Transaction<'_>| {
            let mut settling = Settling::new(tx)?;
            for settlement in settlements.iter().filter(|one| !damaged.has(one.delivery)) {
                settling.settle(settlement).inspect_err(|error| {
                    let known = damaged.count();
                    damaged.look_over(settlements.iter().map(|one| one.delivery), |id| look_at(tx, id));
                    if damaged.count() == known {
                        // It can be read, and yet not be settled: an index that has it is damaged.
                        damaged.note(settlement.delivery, error);
                    }
                })?;
            }
            Ok(())
        };
        self.writer.write(SETTLING, settle).await
    }

    async fn claim(
        &self,
        wants: Vec<Want>,
        now: TimestampMs,
        lease_until: TimestampMs,
    ) -> Result<Vec<Claimed>, StoreError> {
        let (fresh, damaged) = (Arc::clone(&self.fresh), Arc::clone(&self.damaged));
        let lease = Lease {
            now,
            until: lease_until,
        };
        let claim = move |tx: &Transaction<'_>| {
            fresh.gather(tx, &damaged)?;
            let mut bytes_left = CLAIM_BYTES_MAX;
            let one = |want| claim_due(tx, &damaged, want, lease, &mut bytes_left);
            wants.iter().map(one).collect()
        };
        self.writer.write(CLAIMING, claim).await
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
        let make = || {
            let (fresh, damaged) = (Arc::clone(&self.fresh), Arc::clone(&self.damaged));
            move |tx: &Transaction<'_>| {
                fresh.gather(tx, &damaged)?;
                release(tx, &damaged, now)
            }
        };
        self.write_past_damage(RELEASING, make).await
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
