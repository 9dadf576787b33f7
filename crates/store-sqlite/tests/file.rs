//! What is true of the file: who may open it, what survives, how writes share commits.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use larkspur_store::{Accepted, DeliveryId, DeliveryQueue, EventQuery, Log, NewDelivery, NewEvent, StoreError};
use larkspur_store_sqlite::{OpenError, Options, SqliteStore};
use larkspur_wire::{AppId, EventId, TimestampMs};

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&dir.join("larkspur.db"), &Options::default())
}

fn event(n: u32) -> NewEvent {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    NewEvent {
        id: EventId::mint(id),
        event_type: "im.message.receive_v1".parse().unwrap(),
        tenant_key: None,
        create_time: TimestampMs(0),
        accepted_at: TimestampMs(0),
        payload: "{}".into(),
        digest: [0; 32],
        deliveries: vec![NewDelivery {
            id: DeliveryId(n.into()),
            app_id: AppId::mint([1; 8]),
            withheld: Vec::new(),
        }],
        lease_until: TimestampMs(1),
        binds: Vec::new(),
    }
}

#[tokio::test]
async fn what_was_accepted_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.accept(vec![event(1)]).await.unwrap();
    store.close().await;
    assert!(matches!(store.accept(vec![event(2)]).await, Err(StoreError::Closed)));
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
    let store = open(dir.path()).unwrap();
    store.accept(vec![event(1)]).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_share_a_commit() {
    const WRITES: u32 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    let write = |n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.accept(vec![event(n)]).await.unwrap() })
    };
    let writes: Vec<_> = (0..WRITES).map(write).collect();
    for write in writes {
        assert_eq!(write.await.unwrap(), [Accepted::New]);
    }
    let counts = store.commits();
    assert_eq!(counts.jobs, u64::from(WRITES));
    assert!(counts.commits < u64::from(WRITES) / 2, "{counts:?}");
}

/// Set for the process that is killed: the folder to write to.
const KILLED: &str = "LARKSPUR_TEST_KILLED_WRITER";

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    if let Some(dir) = std::env::var_os(KILLED) {
        return write_until_killed(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_answered_survives_a_kill", "--nocapture"])
        .env(KILLED, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = 0;
    for line in lines.map_while(Result::ok) {
        if line.contains("answered ") {
            answered += 1;
        }
        if answered == 200 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(answered >= 200);
    let store = open(dir.path()).unwrap();
    let page = store
        .events(&EventQuery {
            limit: 1_000,
            ..EventQuery::default()
        })
        .await
        .unwrap();
    assert!(page.rows.len() >= answered, "{} of {answered}", page.rows.len());
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn write_until_killed(dir: &Path) {
    let store = open(dir).unwrap();
    for n in 0..900 {
        store.accept(vec![event(n)]).await.unwrap();
        println!("answered {n}");
    }
}
