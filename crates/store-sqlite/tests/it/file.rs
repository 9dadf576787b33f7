//! What is true of the file: who may open it, what survives, what is refused.

use std::collections::BTreeSet;

use larkspur_store::{Accepted, DeliveryQueue, Log, StoreError};
use larkspur_store_sqlite::OpenError;

use crate::{event, open};

#[tokio::test]
async fn what_was_accepted_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.accept(vec![event(1)]).await.unwrap();
    store.close().await;
    let store = open(dir.path()).unwrap();
    assert!(matches!(
        store.accept(vec![event(1)]).await.unwrap()[..],
        [Accepted::Repeated(_)]
    ));
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_closed() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::InUse { .. })));
    first.close().await;
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_newer_or_a_changed_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().close().await;
    let sql = |sql: &str| {
        let connection = rusqlite::Connection::open(dir.path().join("larkspur.db")).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    sql("UPDATE migration SET checksum = x'00' WHERE number = 1");
    assert!(matches!(open(dir.path()), Err(OpenError::Changed { number: 1 })));
    sql("INSERT INTO migration VALUES (99, x'00')");
    assert!(matches!(open(dir.path()), Err(OpenError::Newer { found: 99, .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    // A copy that was put back, readable by everybody.
    let path = dir.path().join("larkspur.db");
    open(dir.path()).unwrap().close().await;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let store = open(dir.path()).unwrap();
    store.accept(vec![event(1)]).await.unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        4,
        "the file, its lock, its log, and that one's index"
    );
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?}",
            entry.path()
        );
    }
}

#[tokio::test]
async fn a_closed_store_refuses_everything_and_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.accept(vec![event(1)]).await.unwrap();
    store.close().await;
    assert!(matches!(store.accept(vec![event(2)]).await, Err(StoreError::Closed)));
    assert!(matches!(store.event(&event(1).id).await, Err(StoreError::Closed)));
    let names = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<_> = names.collect();
    assert_eq!(names, ["larkspur.db", "larkspur.db.lock"].map(Into::into).into());
}

#[tokio::test]
async fn a_dropped_store_has_let_go_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        let store = open(dir.path()).unwrap();
        assert_eq!(store.accept(vec![event(n)]).await.unwrap(), [Accepted::New]);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("larkspur.db");
    std::fs::write(&path, "not a database, and long enough to be looked at ".repeat(100)).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Sqlite { .. })));
    assert!(std::fs::read(&path).unwrap().starts_with(b"not a database"));
}
