//! The least that a store can be: what waits goes into one transaction, and is synced once.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, Result};
use rusqlite::{Connection, Transaction, params};
use tokio::sync::oneshot;

/// One transaction takes so many requests.
const COMMIT_MAX: usize = 512;
/// Pages in the log before they are copied into the file, as the platform has it.
const CHECKPOINT_PAGES: u32 = 16_384;

const SCHEMA: &str = "
    CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload TEXT NOT NULL) STRICT;
    CREATE TABLE delivery (seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempts INTEGER NOT NULL) STRICT;
    CREATE TABLE due (at INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (at, seq)) STRICT, WITHOUT ROWID;
";
const EVENT: &str = "INSERT INTO event (id, payload) VALUES (?1, ?2)";
const DELIVERY: &str = "INSERT INTO delivery VALUES (?1, 0, 0)";
const DUE: &str = "INSERT INTO due VALUES (0, ?1)";
const SETTLED: &str = "UPDATE delivery SET state = ?2, attempts = 1 WHERE seq = ?1";
const DONE: &str = "DELETE FROM due WHERE at = 0 AND seq = ?1";

enum Write {
    /// Ids and payloads; answered with the number of the first.
    Accept(Vec<(String, String)>, oneshot::Sender<i64>),
    Settle(i64, bool),
}

/// A file, and the thread that writes it.
pub(super) struct Store {
    writes: Sender<Write>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.execute_batch(SCHEMA)?;
        let (writes, asked) = channel();
        std::thread::spawn(move || write_all(connection, &asked));
        Ok(Self { writes })
    }

    pub(super) async fn accept(&self, events: Vec<(String, String)>) -> Result<i64> {
        let (done, first) = oneshot::channel();
        self.writes
            .send(Write::Accept(events, done))
            .context("the writer has ended")?;
        first.await.context("a commit failed")
    }

    /// Nobody waits for it.
    pub(super) fn settle(&self, seq: i64, delivered: bool) {
        let _ = self.writes.send(Write::Settle(seq, delivered));
    }
}

fn write_all(mut connection: Connection, asked: &Receiver<Write>) -> Result<()> {
    while let Ok(first) = asked.recv() {
        let more = asked.try_iter().take(COMMIT_MAX - 1);
        let transaction = connection.transaction()?;
        let mut answers = Vec::new();
        for write in std::iter::once(first).chain(more) {
            match write {
                Write::Accept(events, done) => answers.push((accept(&transaction, &events)?, done)),
                Write::Settle(seq, delivered) => settle(&transaction, seq, delivered)?,
            }
        }
        transaction.commit()?;
        for (first, done) in answers {
            let _ = done.send(first);
        }
    }
    Ok(())
}

/// Answers the number of the first.
fn accept(transaction: &Transaction<'_>, events: &[(String, String)]) -> Result<i64> {
    let mut last = 0;
    for (id, payload) in events {
        transaction.prepare_cached(EVENT)?.execute([id, payload])?;
        last = transaction.last_insert_rowid();
        transaction.prepare_cached(DELIVERY)?.execute([last])?;
        transaction.prepare_cached(DUE)?.execute([last])?;
    }
    Ok(last + 1 - i64::try_from(events.len())?)
}

fn settle(transaction: &Transaction<'_>, seq: i64, delivered: bool) -> Result<()> {
    transaction
        .prepare_cached(SETTLED)?
        .execute(params![seq, if delivered { 1 } else { 2 }])?;
    transaction.prepare_cached(DONE)?.execute([seq])?;
    Ok(())
}
