//! What an operator asks: can it be written, how does it do, and a copy of it.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use larkspur_store::{StoreError, Upkeep, Writing};
use rusqlite::{Connection, Transaction};

use crate::{SqliteStore, copy, failed};

const PROBE: &str = "write to disk";
const COPY: &str = "be copied";

fn failed_io(source: io::Error) -> StoreError {
    StoreError::Backend {
        doing: COPY,
        source: source.into(),
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn probe(&self) -> Result<(), StoreError> {
        // A number in the file's head that nothing else uses: writing it makes a page to be synced.
        let write = |tx: &Transaction<'_>| tx.pragma_update(None, "user_version", 1).map_err(failed(PROBE));
        self.writer.write(PROBE, write).await
    }

    fn writing(&self) -> Writing {
        let mut writing = self.writer.writing();
        writing.failed += self.damaged.count();
        writing
    }

    async fn backup(&self) -> Result<File, StoreError> {
        let _one = self.copying.lock().await;
        let path = copy::nameless(&self.path);
        let closing = Arc::clone(&self.closing);
        let make = move |connection: &Connection| {
            let file = copy::create(&path).map_err(failed_io)?;
            // The platform may end, and must not wait for a copy.
            let ended = || closing.load(Ordering::Relaxed);
            let copied = copy::copy(connection, &path, ended).map_err(failed(COPY));
            // Whoever has it open keeps it.
            fs::remove_file(&path).map_err(failed_io)?;
            if copied? { Ok(file) } else { Err(StoreError::Closed) }
        };
        self.readers.read(make).await
    }
}
