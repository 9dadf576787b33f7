//! How writes share commits.

use std::path::Path;
use std::sync::Arc;

use larkspur_store::{Accepted, DeliveryQueue, Depth, NewEvent, Registry, StoreError};
use larkspur_store_sqlite::{Options, SqliteStore};
use larkspur_wire::AppId;
use tokio::task::{JoinHandle, yield_now};

use crate::{event, open};

/// Holds up every commit until it is dropped, as another program would that has the file open.
fn hold(dir: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(dir.join("larkspur.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn accept(store: &Arc<SqliteStore>, event: NewEvent) -> JoinHandle<Result<Vec<Accepted>, StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.accept(vec![event]).await })
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

#[tokio::test]
async fn one_that_fails_fails_no_other_of_its_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    let held = hold(dir.path());
    let before = store.commits();
    let mut bad = event(2);
    bad.deliveries.push(bad.deliveries[0].clone());
    let waiting = [event(1), bad, event(3), event(4)].map(|event| accept(&store, event));
    // All of them are asked for now, and the first at most is being written.
    yield_now().await;
    drop(held);
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap());
    }
    let [first, bad, third, fourth] = &answers[..] else {
        panic!("four answers")
    };
    assert!(matches!(bad, Err(StoreError::Backend { .. })), "{bad:?}");
    for good in [first, third, fourth] {
        assert_eq!(good.as_ref().unwrap(), &[Accepted::New]);
    }
    let after = store.commits();
    assert!(after.commits - before.commits <= 2, "{before:?} {after:?}");
}

#[tokio::test]
async fn when_accepting_is_refused_settling_still_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        waiting_bytes_max: 1,
        ..Options::default()
    };
    let store = Arc::new(SqliteStore::open(&dir.path().join("larkspur.db"), &options).unwrap());
    let held = hold(dir.path());
    // One may be on its way to the file and one may wait.
    let waiting = [1, 2, 3].map(|n| accept(&store, event(n)));
    yield_now().await;
    let release = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.release_leases(larkspur_wire::TimestampMs(0)).await }
    });
    yield_now().await;
    assert!(!release.is_finished());
    drop(held);
    release.await.unwrap().unwrap();
    let mut n_refused = 0;
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(accepted) => assert_eq!(accepted, [Accepted::New]),
            Err(StoreError::Busy { waiting }) => {
                assert_eq!(waiting, 1);
                n_refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!((1..=2).contains(&n_refused), "{n_refused}");
}

#[tokio::test]
async fn the_write_ahead_log_stays_small_while_much_is_written() {
    const EVENTS: u32 = 600;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut largest = 0;
    for n in 0..EVENTS {
        let mut large = event(n);
        large.payload = vec![b' '; 512 * 1024].into();
        assert_eq!(store.accept(vec![large]).await.unwrap(), [Accepted::New]);
        largest = largest.max(std::fs::metadata(dir.path().join("larkspur.db-wal")).unwrap().len());
    }
    // 300 MiB were written, and a checkpoint begins at 64 MiB.
    assert!(largest < 160 << 20, "{largest} bytes");
}

#[tokio::test]
async fn what_waits_for_an_app_that_is_deleted_is_given_up_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.accept((1..=1_200).map(event).collect()).await.unwrap();
    let before = store.commits().commits;
    store.delete_app(&AppId::mint([1; 8])).await.unwrap();
    // The app itself, and three times 500 at most.
    assert_eq!(store.commits().commits - before, 4);
    assert_eq!(
        store.depth().await.unwrap(),
        Depth {
            pending: 0,
            dead: 1_200
        }
    );
}
