//! Holds the store to every claim of the ports.

use larkspur_store_sqlite::SqliteStore;

fn empty() -> (SqliteStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (super::open(dir.path()).unwrap(), dir)
}

larkspur_store::conformance_claims!(empty);
