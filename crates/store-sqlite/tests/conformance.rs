//! Holds the store to every claim of the ports.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use larkspur_store_sqlite::{Options, SqliteStore};

fn empty() -> (SqliteStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (
        SqliteStore::open(&dir.path().join("larkspur.db"), &Options::default()).unwrap(),
        dir,
    )
}

larkspur_store::conformance_claims!(empty);
