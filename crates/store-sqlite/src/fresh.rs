//! Leases that nobody has to find.
//!
//! Most deliveries are leased as their event is accepted, and settled within milliseconds: in the index of what is due,
//! each would be written twice for nothing. Such a lease is fresh. It is in no index, but its id is after a mark: before
//! anything is claimed, and every so many events, what is fresh still is put into the index, and the mark moves on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use larkspur_store::{DeliveryId, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::damage::{Damaged, is_damage};
use crate::failed;
use crate::queue::look_at;
use crate::registry::all;
use crate::row::read_delivery_id;
use crate::write::execute;

/// What `leased` is of a lease that the index of what is due has, and of one that is fresh.
pub(crate) const LEASED: i64 = 1;
pub(crate) const FRESH: i64 = 2;

/// So many deliveries are looked at again at once, which takes some milliseconds. Under load a thousand are on their way at
/// any time, so that more often would put most of them into the index after all.
const GATHER_EVERY: usize = 16_384;

const MARK: &str = "SELECT after FROM fresh";
// By the primary key.
pub(crate) const GATHER: &str =
    "UPDATE delivery SET leased = 1 WHERE id > (SELECT after FROM fresh) AND state = 0 AND leased = 2";
// All of delivery_by_app, which has no damage of the table; only while something damaged may be fresh.
pub(crate) const AFTER_MARK: &str =
    "SELECT id FROM delivery INDEXED BY delivery_by_app WHERE id > (SELECT after FROM fresh)";
// By the primary key.
pub(crate) const GATHER_ONE: &str = "UPDATE delivery SET leased = 1 WHERE id = ?1 AND state = 0 AND leased = 2";
// By the primary key.
pub(crate) const NEWEST: &str = "SELECT id FROM delivery ORDER BY id DESC LIMIT 1";
const MOVE_MARK: &str = "UPDATE fresh SET after = ?1";

const DOING: &str = "gather leases";

/// After which id leases may be fresh.
#[derive(Debug)]
pub(crate) struct Fresh(Mutex<Mark>);

/// Never before the mark in the file; after it when a transaction was undone, which only makes fewer leases fresh.
#[derive(Debug)]
pub(crate) struct Mark {
    after: DeliveryId,
    /// Deliveries accepted since it was moved.
    accepted: usize,
    /// Whether it cannot be moved any more, because of damage.
    is_over: bool,
}

impl Mark {
    /// What `leased` is of a delivery that is leased as it is accepted.
    pub(crate) fn accept(&mut self, id: DeliveryId) -> i64 {
        self.accepted += 1;
        // After the clock was set back, ids are before the mark.
        if id > self.after && !self.is_over {
            FRESH
        } else {
            LEASED
        }
    }
}

impl Fresh {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let after = connection.query_row(MARK, [], |row| row.get(0))?;
        Ok(Self(Mutex::new(Mark {
            after: DeliveryId(u128::from_be_bytes(after)),
            accepted: 0,
            is_over: false,
        })))
    }

    pub(crate) fn mark(&self) -> MutexGuard<'_, Mark> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what is fresh into the index once many deliveries were accepted.
    pub(crate) fn gather_many(&self, tx: &Transaction<'_>, damaged: &Damaged) -> Result<(), StoreError> {
        let many = self.mark().accepted >= GATHER_EVERY;
        if many { self.gather(tx, damaged) } else { Ok(()) }
    }

    /// Puts what is fresh into the index, but for what is damaged. When nothing tells what is damaged, no lease is fresh
    /// any more.
    pub(crate) fn gather(&self, tx: &Transaction<'_>, damaged: &Damaged) -> Result<(), StoreError> {
        if self.mark().is_over {
            return Ok(());
        }
        let known = damaged.count();
        self.try_gather(tx, damaged).inspect_err(|error| {
            damaged.look_over(after_mark(tx).unwrap_or_default(), |id| look_at(tx, id));
            let mut mark = self.mark();
            mark.accepted = 0;
            if is_damage(error) && damaged.count() == known {
                let error = error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "leases cannot be put into their index; look over the file with `larkspur store check`"
                );
                mark.is_over = true;
            }
        })
    }

    fn try_gather(&self, tx: &Transaction<'_>, damaged: &Damaged) -> Result<(), StoreError> {
        let one = |sql| {
            let mut statement = tx.prepare_cached(sql)?;
            statement.query_row([], |row| row.get(0)).optional()
        };
        let newest: Option<[u8; 16]> = one(NEWEST).map_err(failed(DOING))?;
        let marked: Option<[u8; 16]> = one(MARK).map_err(failed(DOING))?;
        let Some(newest) = newest.filter(|newest| Some(*newest) > marked) else {
            return Ok(());
        };
        let marked = DeliveryId(u128::from_be_bytes(marked.unwrap_or_default()));
        if damaged.has_after(marked) {
            for id in after_mark(tx)?.into_iter().filter(|id| !damaged.has(*id)) {
                execute(tx, DOING, GATHER_ONE, [id.0.to_be_bytes()])?;
            }
        } else {
            execute(tx, DOING, GATHER, [])?;
        }
        execute(tx, DOING, MOVE_MARK, [newest])?;
        let mut mark = self.mark();
        mark.after = mark.after.max(DeliveryId(u128::from_be_bytes(newest)));
        mark.accepted = 0;
        Ok(())
    }
}

fn after_mark(tx: &Transaction<'_>) -> Result<Vec<DeliveryId>, StoreError> {
    all(tx, DOING, AFTER_MARK, [], |row| read_delivery_id(row, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::in_memory;

    fn insert(tx: &Transaction<'_>, id: u128, leased: i64) {
        let row = "INSERT INTO delivery (id, event_seq, app_id, state, leased, due_at, attempts, generation) \
                   VALUES (?1, 1, 'cli_1', 0, ?2, 9, 0, 1)";
        tx.execute(row, rusqlite::params![id.to_be_bytes(), leased]).unwrap();
    }

    fn indexed(connection: &Connection) -> i64 {
        let sql = "SELECT count(*) FROM delivery INDEXED BY delivery_due WHERE state = 0 AND leased < 2";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_fresh_is_gathered_when_that_was_undone_too() {
        let mut connection = in_memory();
        let fresh = Fresh::read(&connection).unwrap();
        let tx = connection.transaction().unwrap();
        for id in [3, 7] {
            let leased = fresh.mark().accept(DeliveryId(id));
            insert(&tx, id, leased);
        }
        tx.commit().unwrap();
        assert_eq!(indexed(&connection), 0);

        let tx = connection.transaction().unwrap();
        fresh.gather(&tx, &Damaged::default()).unwrap();
        assert_eq!(indexed(&tx), 2);
        tx.rollback().unwrap();
        // The mark in memory is behind the one in the file, and what comes before it is not fresh.
        assert_eq!(fresh.mark().accept(DeliveryId(5)), LEASED);
        assert_eq!(indexed(&connection), 0);

        let tx = connection.transaction().unwrap();
        fresh.gather(&tx, &Damaged::default()).unwrap();
        tx.commit().unwrap();
        assert_eq!(indexed(&connection), 2);
        let mark = Fresh::read(&connection).unwrap();
        assert_eq!(mark.mark().accept(DeliveryId(7)), LEASED);
        assert_eq!(mark.mark().accept(DeliveryId(8)), FRESH);
    }

    #[test]
    fn after_many_deliveries_it_is_gathered_unasked() {
        let mut connection = in_memory();
        let fresh = Fresh::read(&connection).unwrap();
        let tx = connection.transaction().unwrap();
        for id in 1..=GATHER_EVERY {
            assert_eq!(indexed(&tx), 0);
            let id = id as u128;
            let leased = fresh.mark().accept(DeliveryId(id));
            insert(&tx, id, leased);
            fresh.gather_many(&tx, &Damaged::default()).unwrap();
        }
        assert_eq!(indexed(&tx), GATHER_EVERY as i64);
    }
}
