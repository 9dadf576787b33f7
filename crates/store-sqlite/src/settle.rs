//! Settling: what an attempt came to, and what becomes of its delivery.

use larkspur_store::{Settlement, StoreError, Verdict, WAITING};
use rusqlite::{CachedStatement, Transaction, params};

use crate::failed;
use crate::row::{DEAD, DELIVERED, PENDING, write_mode};
use crate::write::execute;

// By the primary key. With `RETURNING`, SQLite would make a table of its own for the rows, and copy each page that it
// changes, each time.
pub(crate) const SETTLE: &str = "UPDATE delivery SET state = ?3, leased = 0, due_at = coalesce(?4, due_at), attempts = ?5, \
     last_attempt = ?6 WHERE id = ?1 AND generation = ?2 AND state = 0";
// By the primary key: for a first attempt, which has none before it.
pub(crate) const SETTLE_FIRST: &str = "UPDATE delivery SET state = ?3, leased = 0, due_at = coalesce(?4, due_at), \
     attempts = ?5, last_attempt = ?6 WHERE id = ?1 AND generation = ?2 AND state = 0 AND last_attempt IS NULL";
// By the primary keys of both.
pub(crate) const LINK_ATTEMPT: &str =
    "UPDATE attempt SET previous = (SELECT last_attempt FROM delivery WHERE id = ?1) WHERE seq = ?2";
// By the primary key.
pub(crate) const ADD_ATTEMPT: &str = "UPDATE delivery SET last_attempt = ?2 WHERE id = ?1";
// By the primary key and delivery_in_order.
pub(crate) const RELEASE_NEXT: &str = "UPDATE delivery SET due_at = ?2 WHERE due_at = ?3 AND id = (\
     SELECT next.id FROM delivery AS done JOIN delivery AS next \
     ON next.state = 0 AND next.app_id = done.app_id AND next.order_key = done.order_key \
     WHERE done.id = ?1 ORDER BY next.event_seq LIMIT 1)";
const NEW_ATTEMPT: &str = "INSERT INTO attempt \
     (delivery_id, number, started_at, mode, target, code, took_us, answer, error) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
// By the primary key.
pub(crate) const FORGET_ATTEMPT: &str = "DELETE FROM attempt WHERE seq = ?1";

pub(crate) const SETTLING: &str = "settle deliveries";

/// What every settlement of a batch needs, prepared once.
pub(crate) struct Settling<'a> {
    tx: &'a Transaction<'a>,
    new_attempt: CachedStatement<'a>,
    settle_first: CachedStatement<'a>,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(tx: &'a Transaction<'_>) -> Result<Self, StoreError> {
        let prepare = |sql| tx.prepare_cached(sql).map_err(failed(SETTLING));
        Ok(Self {
            tx,
            new_attempt: prepare(NEW_ATTEMPT)?,
            settle_first: prepare(SETTLE_FIRST)?,
        })
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        let Settlement {
            delivery,
            generation,
            attempt,
            verdict,
            in_order,
        } = settlement;
        let id = delivery.0.to_be_bytes();
        let (state, due_at) = match verdict {
            Verdict::Delivered => (DELIVERED, None),
            Verdict::Again(at) => (PENDING, Some(at.0)),
            Verdict::Dead => (DEAD, None),
        };
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
        self.new_attempt.execute(row).map_err(failed(SETTLING))?;
        let last = self.tx.last_insert_rowid();
        let row = params![id, generation, state, due_at, attempt.number, last];
        let is_first = attempt.number == 1 && self.settle_first.execute(row).map_err(failed(SETTLING))? > 0;
        let is_settled = is_first || {
            execute(self.tx, SETTLING, LINK_ATTEMPT, params![id, last])?;
            execute(self.tx, SETTLING, SETTLE, row)? > 0
        };
        if !is_settled {
            // Whoever settles too late has made an attempt all the same, unless the delivery is gone.
            if execute(self.tx, SETTLING, ADD_ATTEMPT, params![id, last])? == 0 {
                execute(self.tx, SETTLING, FORGET_ATTEMPT, [last])?;
            }
            return Ok(());
        }
        if *in_order && state != PENDING {
            execute(
                self.tx,
                SETTLING,
                RELEASE_NEXT,
                params![id, attempt.started_at.0, WAITING.0],
            )?;
        }
        Ok(())
    }
}
