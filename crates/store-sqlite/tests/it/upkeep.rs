//! What an operator does with the file: look it over, copy it, see how writing goes.

use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larkspur_store::{Attempt, DeliveryId, DeliveryQueue, Log, Mode, Settlement, StoreError, Upkeep, Verdict};
use larkspur_store_sqlite::{BackupError, OpenError, Options, SqliteStore, backup, check};
use larkspur_wire::TimestampMs;

use crate::{alter, closed, event, open};

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[cfg(unix)]
fn mode(file: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777
}

fn count(report: &larkspur_store_sqlite::Report, what: &str) -> u64 {
    report.counts.iter().find(|(name, _)| *name == what).unwrap().1
}

#[tokio::test]
async fn a_sound_file_has_no_fault_and_is_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 3).await;
    let path = dir.path().join("larkspur.db");
    let before = (std::fs::read(&path).unwrap(), names(dir.path()));
    let report = check(&path).unwrap();
    assert_eq!(report.faults, [""; 0]);
    assert_eq!((report.schema, report.log_bytes), (report.schema_known, 0));
    assert_eq!((count(&report, "events"), count(&report, "pending deliveries")), (3, 3));
    assert!((std::fs::read(&path).unwrap(), names(dir.path())) == before);
}

#[tokio::test]
async fn a_file_in_use_is_neither_checked_nor_copied_and_said_to_be_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path()).unwrap();
    let path = dir.path().join("larkspur.db");
    assert!(matches!(check(&path), Err(OpenError::InUse { .. })));
    let copied = backup(&path, &dir.path().join("copy.db"));
    assert!(matches!(copied, Err(BackupError::Open(OpenError::InUse { .. }))));
    assert!(!dir.path().join("copy.db").exists());
}

#[test]
fn what_is_not_there_is_not_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("larkspur.db");
    assert!(matches!(check(&path), Err(OpenError::Io { .. })));
    assert!(backup(&path, &dir.path().join("copy.db")).is_err());
    assert_eq!(names(dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_page_that_was_overwritten_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 200).await;
    let path = dir.path().join("larkspur.db");
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The last pages are leaves of a table or an index.
    let pages = file.metadata().unwrap().len() / 4096;
    file.seek(std::io::SeekFrom::Start((pages - 2) * 4096)).unwrap();
    file.write_all(&[0x5a; 2 * 4096]).unwrap();
    drop(file);
    assert_ne!(check(&path).unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn a_missing_row_a_foreign_schema_and_a_lost_lease_are_faults() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1).await;
    let path = dir.path().join("larkspur.db");
    alter(
        &path,
        "PRAGMA foreign_keys = OFF; DELETE FROM event; INSERT INTO migration VALUES (99, x'00');
        UPDATE delivery SET leased = 2; UPDATE fresh SET after = (SELECT max(id) FROM delivery)",
    );
    let faults = check(&path).unwrap().faults;
    for what in [
        "`delivery` names a row of `event`",
        "the schema has version 99",
        "1 leased deliveries are in no index",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(what)), "{faults:?}");
    }
}

#[tokio::test]
async fn an_id_that_no_index_has_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1).await;
    let path = dir.path().join("larkspur.db");
    alter(&path, "DELETE FROM event_print");
    let faults = check(&path).unwrap().faults;
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].ends_with("is in no index, so that it could be accepted twice"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn an_attempt_at_a_delivery_that_is_gone_leaves_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let attempt = Attempt {
        number: 1,
        started_at: TimestampMs(1),
        mode: Mode::Webhook,
        target: "there".to_owned(),
        code: None,
        took: Duration::ZERO,
        answer: "".into(),
        error: None,
    };
    let settlement = Settlement {
        delivery: DeliveryId(7),
        generation: 1,
        attempt,
        verdict: Verdict::Delivered,
        in_order: false,
    };
    store.settle(vec![settlement]).await.unwrap();
    store.close().await;
    let report = check(&dir.path().join("larkspur.db")).unwrap();
    assert_eq!(report.faults, [""; 0]);
    assert_eq!(count(&report, "attempts"), 0);
}

#[test]
fn what_is_no_database_is_a_fault_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("larkspur.db");
    std::fs::write(&path, "not a database, and long enough to be looked at ".repeat(100)).unwrap();
    assert_eq!(check(&path).unwrap().faults.len(), 1);
    assert!(std::fs::read(&path).unwrap().starts_with(b"not a database"));
}

#[tokio::test]
async fn a_copy_of_a_closed_store_is_one_private_file_that_opens_as_a_store() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 3).await;
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let path = copy.join("larkspur.db");
    let bytes = backup(&dir.path().join("larkspur.db"), &path).unwrap();
    assert_eq!(path.metadata().unwrap().len(), bytes);
    #[cfg(unix)]
    assert_eq!(mode(&path.metadata().unwrap()), 0o600);
    assert_eq!(check(&path).unwrap().faults, [""; 0]);
    assert_eq!(names(&copy), ["larkspur.db"]);
    let again = backup(&dir.path().join("larkspur.db"), &path);
    assert!(
        matches!(again, Err(BackupError::Write { .. })),
        "nothing is overwritten"
    );
    let store = open(&copy).unwrap();
    assert!(store.event(&event(3).id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_others_write_is_whole_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    let filler = |n| {
        let mut event = event(n);
        event.payload = vec![b'x'; 64 << 10].into();
        event
    };
    // Several steps long.
    for batch in 0..10 {
        let events = (1..=20).map(|n| filler(batch * 20 + n)).collect();
        store.accept(events).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut n = 1_000;
            while !done.load(Ordering::Relaxed) {
                n += 1;
                store.accept(vec![event(n)]).await.unwrap();
            }
            n - 1_000
        })
    };
    let mut file = store.backup().await.unwrap();
    done.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0, "others wrote meanwhile");
    assert!(!dir.path().join("larkspur.db.backup").exists(), "the copy has no name");
    #[cfg(unix)]
    assert_eq!(mode(&file.metadata().unwrap()), 0o600);
    let restored = tempfile::tempdir().unwrap();
    let path = restored.path().join("larkspur.db");
    std::io::copy(&mut file, &mut std::fs::File::create(&path).unwrap()).unwrap();
    let report = check(&path).unwrap();
    assert_eq!(report.faults, [""; 0]);
    assert!(count(&report, "events") >= 200, "{report:?}");
    let restored = SqliteStore::open(&path, &Options::default()).unwrap();
    assert!(restored.event(&event(200).id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_probe_reaches_the_disk_and_commits_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let log = dir.path().join("larkspur.db-wal");
    let before = (log.metadata().unwrap().len(), store.writing());
    store.probe().await.unwrap();
    store.probe().await.unwrap();
    assert!(log.metadata().unwrap().len() > before.0);
    let after = store.writing();
    assert_eq!(after.commits.count() - before.1.commits.count(), 2);
    assert!(after.commits.sum > before.1.commits.sum);
    assert_eq!(after.failed, 0);
    store.close().await;
    assert!(matches!(store.probe().await, Err(StoreError::Closed)));
}
