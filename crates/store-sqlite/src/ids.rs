//! Which event has an id.
//!
//! Ids come in no order, so that an index of them writes a page of its own for every event, which is half of all pages.
//! Here the newest are in memory only, as fingerprints, and go to the file in the order of those, a few with each commit,
//! so that many go to one page. After a crash they are read again from the events: those not in the file yet have numbers
//! from a mark on.

mod newest;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use larkspur_store::StoreError;
use larkspur_wire::EventId;
use rusqlite::{CachedStatement, Connection, Transaction, params};
use siphasher::sip::SipHasher13;

use crate::damage::is_corrupt;
use crate::failed;
use crate::write::execute;
use newest::{Entry, Newest};

const HEAD: &str = "SELECT before, key FROM printed";
const MOVE_MARK: &str = "UPDATE printed SET before = ?1";
const MOVE_MARK_TO_END: &str = "UPDATE printed SET before = coalesce((SELECT max(seq) FROM event), 0) + 1";
// By the primary key.
pub(crate) const NOT_PRINTED: &str = "SELECT seq, id FROM event WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
// By event_by_time.
pub(crate) const NUMBERS: &str = "SELECT seq FROM event INDEXED BY event_by_time WHERE seq >= ?1";
// By the primary key.
pub(crate) const ID_OF: &str = "SELECT id FROM event WHERE seq = ?1";
// By the primary key.
pub(crate) const PRINTED: &str = "SELECT seq FROM event_print WHERE print = ?1";
// By the primary key.
pub(crate) const IS_ITS_ID: &str = "SELECT EXISTS (SELECT 1 FROM event WHERE seq = ?1 AND id = ?2)";
const PRINT: &str = "INSERT OR IGNORE INTO event_print VALUES (?1, ?2)";
// By the primary key.
pub(crate) const FORGET: &str = "DELETE FROM event_print WHERE print = ?1 AND seq = ?2";

// By the primary key.
const IS_PRINTED: &str = "SELECT 1 FROM event_print WHERE print = ?1 AND seq = ?2";
// By the primary key.
const IDS_BEFORE: &str = "SELECT seq, id FROM event WHERE seq < ?1";

const DOING: &str = "look up an event id";

/// A start reads so many at once.
const LOAD_MAX: i64 = 65_536;
/// One commit takes so many to the file, less than a millisecond's work.
const FOLD_MAX: usize = 1_024;
/// The mark moves on when it is so many events behind; a start reads them in vain.
const MARK_STEP: i64 = 4_096;

/// Where the file stands: events with lesser numbers than the mark have their ids in the index.
struct Printed {
    mark: i64,
    /// Secret, so that nobody can make ids with the same fingerprint.
    hasher: SipHasher13,
}

impl Printed {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row(HEAD, [], |row| {
            Ok(Self {
                mark: row.get(0)?,
                hasher: SipHasher13::new_with_key(&row.get(1)?),
            })
        })
    }
}

fn print(hasher: &SipHasher13, id: &EventId) -> i64 {
    hasher.hash(id.as_str().as_bytes()).cast_signed()
}

/// Ids, those in memory and those in the file. Only the writing thread changes them.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    hasher: SipHasher13,
    newest: Mutex<Newest>,
    in_memory_max: usize,
    mark_step: i64,
    /// Whether the index was found damaged: then all new ones stay in memory.
    is_damaged: AtomicBool,
}

impl Ids {
    /// Reads what is not in the file yet, and writes there what is too much for the memory.
    pub(crate) fn open(connection: &mut Connection, in_memory_max: usize) -> rusqlite::Result<Self> {
        Self::open_with(connection, in_memory_max, MARK_STEP)
    }

    fn open_with(connection: &mut Connection, in_memory_max: usize, mark_step: i64) -> rusqlite::Result<Self> {
        let Printed { mark, hasher } = Printed::read(connection)?;
        let ids = Self {
            hasher,
            newest: Mutex::default(),
            in_memory_max,
            mark_step,
            is_damaged: AtomicBool::default(),
        };
        ids.newest().mark_is(mark);
        let mut from = Some(mark);
        while let Some(next) = from {
            from = ids.load(connection, next)?;
        }
        Ok(ids)
    }

    /// Reads some ids from a number on, and answers where to go on. As many at once, however many events there are.
    fn load(&self, connection: &mut Connection, from: i64) -> rusqlite::Result<Option<i64>> {
        let (read, next) = match not_printed(connection, from) {
            Err(error) if is_corrupt(&error) => {
                tracing::error!(%error, "events cannot be read, and publishing one of them again would not be noticed");
                (readable(connection, from)?, None)
            }
            read => {
                let read = read?;
                let next = read.last().map(|(seq, _)| seq.saturating_add(1));
                (read, next)
            }
        };
        for (seq, id) in read {
            // Nobody can ask for an id that is none.
            if let Ok(id) = id.parse() {
                let entry = (self.print(&id), seq);
                self.newest().load(entry);
            }
        }
        match self.fold_down_to(connection, self.in_memory_max) {
            Err(error) if is_corrupt(&error) => self.note(&error),
            folded => folded?,
        }
        Ok(next)
    }

    fn print(&self, id: &EventId) -> i64 {
        print(&self.hasher, id)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the event with this id.
    pub(crate) fn find(&self, connection: &Connection, id: &EventId) -> Result<Option<i64>, StoreError> {
        self.lookup(connection)?.find(id)
    }

    /// Makes ready for many ids.
    pub(crate) fn lookup<'a>(&'a self, connection: &'a Connection) -> Result<Lookup<'a>, StoreError> {
        Ok(Lookup {
            ids: self,
            connection,
            printed: connection.prepare_cached(PRINTED).map_err(failed(DOING))?,
        })
    }

    /// The event with this number has this id.
    pub(crate) fn add(&self, id: &EventId, seq: i64) {
        self.newest().add((self.print(id), seq));
    }

    /// The event with this number is deleted.
    pub(crate) fn remove(&self, tx: &Transaction<'_>, id: &EventId, seq: i64) -> Result<(), StoreError> {
        let entry = (self.print(id), seq);
        self.newest().remove(entry);
        // It may be in both, after a crash.
        execute(tx, DOING, FORGET, [entry.0, entry.1]).map(drop)
    }

    /// Writes some to the file when they are too many for the memory; the last thing in a transaction. When a page of the
    /// index is damaged, this transaction fails, and in the next ones all stay in memory.
    pub(crate) fn fold(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut newest = self.newest();
        if self.is_damaged.load(Ordering::Relaxed) {
            return self.move_mark(tx, &mut newest);
        }
        let too_many = newest.len().saturating_sub(self.in_memory_max);
        let folding = newest.next(too_many.min(FOLD_MAX));
        if !folding.is_empty() {
            write(tx, &folding).inspect_err(|error| self.note(error))?;
            newest.fold(folding);
        }
        self.move_mark(tx, &mut newest)
    }

    /// When the index is damaged, all ids stay in memory from now on.
    fn note(&self, error: &rusqlite::Error) {
        if is_corrupt(error) && !self.is_damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "event ids cannot be written into their index, and stay in memory; look over the file with `larkspur store check`");
        }
    }

    /// Writes all to the file, so that the next start has none to read.
    pub(crate) fn close(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.fold_down_to(connection, 0)?;
        if self.is_damaged.load(Ordering::Relaxed) {
            // The next start has to read them.
            return Ok(());
        }
        connection.execute(MOVE_MARK_TO_END, []).map(drop)
    }

    fn fold_down_to(&self, connection: &mut Connection, in_memory_max: usize) -> rusqlite::Result<()> {
        let mut newest = self.newest();
        let too_many = newest.len().saturating_sub(in_memory_max);
        if too_many == 0 || self.is_damaged.load(Ordering::Relaxed) {
            return Ok(());
        }
        let tx = connection.transaction()?;
        let folding = newest.next(too_many);
        write(&tx, &folding)?;
        newest.fold(folding);
        self.move_mark(&tx, &mut newest)?;
        tx.commit()?;
        newest.committed();
        Ok(())
    }

    fn move_mark(&self, tx: &Transaction<'_>, newest: &mut Newest) -> rusqlite::Result<()> {
        if let Some(mark) = newest.next_mark(self.mark_step) {
            tx.prepare_cached(MOVE_MARK)?.execute([mark])?;
        }
        Ok(())
    }

    /// The transaction is on disk.
    pub(crate) fn committed(&self) {
        self.newest().committed();
    }

    /// How much the transaction has changed.
    pub(crate) fn changes(&self) -> usize {
        self.newest().changes()
    }

    /// What the transaction has changed beyond so many changes was undone.
    pub(crate) fn undone(&self, kept: usize) {
        self.newest().undone(kept);
    }
}

/// Looks up one id after the other.
pub(crate) struct Lookup<'a> {
    ids: &'a Ids,
    connection: &'a Connection,
    printed: CachedStatement<'a>,
}

impl Lookup<'_> {
    /// The number of the event with this id.
    pub(crate) fn find(&mut self, id: &EventId) -> Result<Option<i64>, StoreError> {
        let print = self.ids.print(id);
        // First those in memory: what leaves it is in the file before.
        let mut same = self.ids.newest().with(print);
        let find = || {
            let mut rows = self.printed.query([print])?;
            while let Some(row) = rows.next()? {
                same.push(row.get(0)?);
            }
            for seq in same {
                let mut is_its_id = self.connection.prepare_cached(IS_ITS_ID)?;
                if is_its_id.query_row(params![seq, id.as_str()], |row| row.get(0))? {
                    return Ok(Some(seq));
                }
            }
            Ok(None)
        };
        find().map_err(failed(DOING))
    }
}

fn write(tx: &Transaction<'_>, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut print = tx.prepare_cached(PRINT)?;
    for (fingerprint, seq) in entries {
        print.execute([fingerprint, seq])?;
    }
    Ok(())
}

/// Some of the events whose ids the file has not got yet.
fn not_printed(connection: &Connection, from: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare(NOT_PRINTED)?;
    let rows = statement.query_map(params![from, LOAD_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// All of them that can be read, when some cannot.
fn readable(connection: &Connection, from: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare(NUMBERS)?;
    let numbers = statement.query_map([from], |row| row.get(0))?;
    let numbers = numbers.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut id_of = connection.prepare(ID_OF)?;
    let mut read = |seq: i64| Some((seq, id_of.query_row([seq], |row| row.get(0)).ok()?));
    Ok(numbers.into_iter().filter_map(&mut read).collect())
}

/// Events that the file is to have the ids of and has not; for `store check`.
pub(crate) fn missing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let Printed { mark, hasher } = Printed::read(connection)?;
    let mut printed = connection.prepare(IS_PRINTED)?;
    let mut statement = connection.prepare(IDS_BEFORE)?;
    let mut rows = statement.query([mark])?;
    let mut missing = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, id): (i64, String) = (row.get(0)?, row.get(1)?);
        let Ok(parsed) = id.parse() else {
            continue;
        };
        if !printed.exists([print(&hasher, &parsed), seq])? {
            missing.push(id);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests;
