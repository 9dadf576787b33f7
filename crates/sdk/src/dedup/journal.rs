//! Remembering in a file, so that a new process knows what the one before it handled.

use std::path::Path;
use std::time::Duration;

use larkspur_wire::TimestampMs;
use rusqlite::params;

use super::memory::Memory;
use crate::file::{Database, FileError, Schema};

/// `LKdd`.
const SCHEMA: Schema = Schema {
    application_id: 0x4c4b_6464,
    version: 1,
    create: "CREATE TABLE done (
                 app_id TEXT NOT NULL,
                 kind TEXT NOT NULL,
                 key TEXT NOT NULL,
                 forget_at INTEGER NOT NULL,
                 PRIMARY KEY (app_id, kind, key)
             ) STRICT, WITHOUT ROWID;
             CREATE INDEX done_forget ON done (forget_at);",
};

const DONE: &str = "INSERT OR REPLACE INTO done (app_id, kind, key, forget_at) VALUES (?1, ?2, ?3, ?4)";
/// By `done_forget`; a few with each write, so that none takes long.
const FORGET: &str = "DELETE FROM done WHERE (app_id, kind, key) IN
    (SELECT app_id, kind, key FROM done WHERE forget_at <= ?1 ORDER BY forget_at LIMIT 4)";
/// By `done_forget`, the newest first.
const LOAD: &str = "SELECT app_id, kind, key FROM done WHERE forget_at > ?1 ORDER BY forget_at DESC LIMIT ?2";

pub(super) struct Journal {
    database: Database,
    keep: Duration,
}

/// By what an event is known again: the app, what the key is, and the key.
pub(super) type Parts = [String; 3];

impl Journal {
    /// Opens a file, and puts into memory what it knows.
    pub(super) fn open(path: &Path, keep: Duration, memory: &Memory, now: TimestampMs) -> Result<Self, FileError> {
        let load = |connection: &rusqlite::Connection| -> rusqlite::Result<()> {
            let mut load = connection.prepare(LOAD)?;
            let limit = i64::try_from(memory.capacity()).unwrap_or(i64::MAX);
            let mut rows = load.query(params![now.0, limit])?;
            while let Some(row) = rows.next()? {
                let text = |idx| row.get_ref(idx)?.as_str().map_err(rusqlite::Error::from);
                memory.remember(memory.fingerprint([text(0)?, text(1)?, text(2)?]), now);
            }
            Ok(())
        };
        let database = Database::open(path, &SCHEMA, load)?;
        Ok(Self { database, keep })
    }

    pub(super) async fn done(&self, [app_id, kind, key]: Parts, now: TimestampMs) -> Result<(), FileError> {
        let forget_at = now.saturating_add(self.keep);
        let write = move |connection: &rusqlite::Connection| {
            connection
                .prepare_cached(DONE)?
                .execute(params![app_id, kind, key, forget_at.0])?;
            connection.prepare_cached(FORGET)?.execute([now.0])
        };
        self.database.call(write).await.map(drop)
    }
}
