use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::*;
use crate::delivery::{Delivery, Transport};
use crate::dispatch::tests::{envelope, failure};
use crate::dispatch::{Dispatcher, Failure, Outcome};
use crate::extract::State;
use crate::reply::BoxError;
use crate::router::{Router, RouterError};

const KIND: &str = "a.seen_v1";
/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A handler that counts its calls, waits until it is let go, and fails as often as it is told.
struct Work {
    calls: AtomicUsize,
    done: AtomicUsize,
    fail: AtomicUsize,
    go: Semaphore,
    ended: Notify,
}

impl Work {
    fn new(fail: usize, go: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: 0.into(),
            done: 0.into(),
            fail: fail.into(),
            go: Semaphore::new(go),
            ended: Notify::new(),
        })
    }
}

async fn work(_: Delivery, State(work): State<Arc<Work>>) -> Result<(), BoxError> {
    work.calls.fetch_add(1, SeqCst);
    work.go.acquire().await?.forget();
    let fails = work.fail.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
    work.ended.notify_one();
    if fails.is_ok() {
        return Err("on purpose".into());
    }
    work.done.fetch_add(1, SeqCst);
    Ok(())
}

fn router(work: &Arc<Work>, inbox: &Inbox) -> Router {
    let router = Router::new().on_raw(KIND, self::work).ack_on_receipt(inbox.clone());
    router.with_state(Arc::clone(work))
}

fn dispatcher(work: &Arc<Work>, inbox: &Inbox) -> Dispatcher {
    Dispatcher::new(router(work, inbox)).unwrap()
}

async fn push(dispatcher: &Dispatcher, event_id: &str) -> Outcome {
    dispatcher
        .start(envelope(KIND, event_id), Transport::Webhook, clock_now())
        .await
}

fn clock_now() -> TimestampMs {
    crate::clock::now()
}

async fn until(so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "it did not come to be");
        tokio::task::yield_now().await;
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn inbox(&self) -> Inbox {
        Inbox::open(self.0.path().join("inbox.db")).unwrap()
    }
}

#[tokio::test]
async fn an_event_is_acked_when_it_is_stored_and_handled_once() {
    let folder = Folder::new();
    let (inbox, work) = (folder.inbox(), Work::new(0, 0));
    let dispatcher = dispatcher(&work, &inbox);
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Stored));
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Repeated));
    assert_eq!(inbox.counts().await.unwrap(), Counts { waiting: 1, dead: 0 });
    work.go.add_permits(1);
    until(async || inbox.counts().await.unwrap().waiting == 0).await;
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Repeated));
    assert_eq!((work.calls.load(SeqCst), work.done.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn what_a_process_leaves_behind_the_next_one_handles() {
    let folder = Folder::new();
    let runtime = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.unwrap();
            let (inbox, work) = (folder.inbox(), Work::new(0, 0));
            runtime.block_on(async {
                let dispatcher = dispatcher(&work, &inbox);
                for event_id in ["e1", "e2"] {
                    assert!(matches!(push(&dispatcher, event_id).await, Outcome::Stored));
                }
                until(async || work.calls.load(SeqCst) == 2).await;
            });
            // The runtime ends with the handlers at work, as a killed process does.
        });
        first.join()
    });
    runtime.unwrap();
    let (inbox, work) = (folder.inbox(), Work::new(0, 10));
    let dispatcher = dispatcher(&work, &inbox);
    until(async || work.done.load(SeqCst) == 2).await;
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Repeated));
}

#[tokio::test]
async fn what_fails_is_tried_again_and_then_dead() {
    let folder = Folder::new();
    let inbox = folder.inbox().retries([Duration::ZERO, Duration::from_millis(1)]);
    let work = Work::new(3, 10);
    let dispatcher = dispatcher(&work, &inbox);
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Stored));
    until(async || inbox.counts().await.unwrap() == Counts { waiting: 0, dead: 1 }).await;
    let dead = inbox.dead(10).await.unwrap().pop().unwrap();
    assert_eq!((dead.failures, dead.error.as_str()), (3, "on purpose"));
    assert_eq!(dead.delivery.meta().event_id, "e1");
    assert!(inbox.retry(dead.id).await.unwrap());
    until(async || work.done.load(SeqCst) == 1).await;
    assert!(!inbox.retry(dead.id).await.unwrap());
}

#[tokio::test]
async fn a_dead_event_can_be_discarded() {
    let folder = Folder::new();
    let inbox = folder.inbox().retries([]);
    let work = Work::new(1, 10);
    let dispatcher = dispatcher(&work, &inbox);
    push(&dispatcher, "e1").await;
    until(async || inbox.counts().await.unwrap().dead == 1).await;
    let dead = inbox.dead(1).await.unwrap();
    assert!(inbox.discard(dead[0].id).await.unwrap());
    assert_eq!(inbox.counts().await.unwrap(), Counts { waiting: 0, dead: 0 });
    // Then it is new.
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Stored));
}

#[tokio::test]
async fn more_than_can_run_waits_in_the_file_and_more_than_may_wait_is_refused() {
    let folder = Folder::new();
    let (inbox, work) = (folder.inbox().waiting_max(40), Work::new(0, 0));
    let router = router(&work, &inbox).concurrency(2);
    let dispatcher = Dispatcher::new(router).unwrap();
    for idx in 0..40 {
        assert!(matches!(push(&dispatcher, &format!("e{idx}")).await, Outcome::Stored));
    }
    assert_eq!(failure(push(&dispatcher, "one more").await), Some(Failure::Busy));
    assert_eq!(work.calls.load(SeqCst), 2);
    work.go.add_permits(40);
    until(async || inbox.counts().await.unwrap().waiting == 0).await;
    assert_eq!(work.done.load(SeqCst), 40);
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_leaves_the_rest() {
    let folder = Folder::new();
    let (inbox, work) = (folder.inbox(), Work::new(0, 0));
    let dispatcher = Dispatcher::new(router(&work, &inbox).concurrency(1)).unwrap();
    for event_id in ["e1", "e2"] {
        push(&dispatcher, event_id).await;
    }
    until(async || work.calls.load(SeqCst) == 1).await;
    let drained = tokio::spawn({
        let dispatcher = dispatcher.clone();
        async move { dispatcher.drain().await }
    });
    tokio::task::yield_now().await;
    assert!(!drained.is_finished());
    work.go.add_permits(10);
    drained.await.unwrap();
    assert!(matches!(push(&dispatcher, "e3").await, Outcome::Stored));
    assert_eq!(work.done.load(SeqCst), 1);
    until(async || inbox.counts().await.unwrap().waiting == 2).await;
}

#[tokio::test]
async fn callbacks_are_answered_at_once() {
    let folder = Folder::new();
    let inbox = folder.inbox();
    let answer = async |_: Delivery| serde_json::json!("answer");
    let router = Router::new()
        .on_raw("card.action.trigger", answer)
        .ack_on_receipt(inbox);
    let dispatcher = Dispatcher::new(router).unwrap();
    let callback = envelope("card.action.trigger", "e1");
    let outcome = dispatcher.start(callback, Transport::Webhook, clock_now()).await;
    assert!(matches!(outcome, Outcome::Handled(_)));
}

#[tokio::test]
async fn what_was_stored_is_handled_as_it_arrived() {
    async fn compare(delivery: Delivery, State(seen): State<Arc<Notify>>) -> Result<(), BoxError> {
        let meta = delivery.meta();
        let transport = Transport::PersistentConnection { connection: "7".into() };
        assert_eq!((meta.app_id.as_str(), meta.tenant_key.as_str()), ("cli_1", ""));
        assert_eq!((meta.event_id.as_str(), delivery.payload()), ("e1", "{}"));
        assert_eq!(
            (&meta.transport, meta.age()),
            (&transport, Some(Duration::from_mins(1)))
        );
        seen.notify_one();
        Ok(())
    }
    let folder = Folder::new();
    let seen = Arc::new(Notify::new());
    {
        let inbox = folder.inbox();
        let work = Work::new(0, 0);
        let dispatcher = Dispatcher::new(router(&work, &inbox)).unwrap();
        dispatcher.drain().await;
        let mut event = envelope(KIND, "e1");
        let now = event.header.create_time.unwrap().saturating_add(Duration::from_mins(1));
        let transport = Transport::PersistentConnection { connection: "7".into() };
        event.header.extra.insert("more".to_owned(), 1.into());
        assert!(matches!(dispatcher.start(event, transport, now).await, Outcome::Stored));
    }
    let router = Router::new().on_raw(KIND, compare).ack_on_receipt(folder.inbox());
    let _dispatcher = Dispatcher::new(router.with_state(Arc::clone(&seen))).unwrap();
    seen.notified().await;
}

#[tokio::test]
async fn an_inbox_serves_one_router_at_a_time() {
    let folder = Folder::new();
    let (inbox, work) = (folder.inbox(), Work::new(0, 0));
    let first = dispatcher(&work, &inbox);
    let second = Dispatcher::new(router(&work, &inbox));
    assert!(matches!(second, Err(RouterError::InboxTaken)));
    drop(first);
    dispatcher(&work, &inbox);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_written_down_later_and_not_handled_again() {
    let folder = Folder::new();
    let (inbox, work) = (folder.inbox(), Work::new(0, 0));
    let dispatcher = dispatcher(&work, &inbox);
    let sql = async |sql: &'static str| {
        let change = move |connection: &rusqlite::Connection| connection.execute_batch(sql);
        inbox.inner.database.call(change).await.unwrap();
    };
    push(&dispatcher, "e1").await;
    sql("CREATE TEMP TRIGGER a BEFORE INSERT ON main.event BEGIN SELECT RAISE(FAIL, 'full'); END").await;
    sql("CREATE TEMP TRIGGER b BEFORE UPDATE ON main.event BEGIN SELECT RAISE(FAIL, 'full'); END").await;
    work.go.add_permits(2);
    until(async || work.done.load(SeqCst) == 1).await;
    assert_eq!(failure(push(&dispatcher, "e2").await), Some(Failure::Store));
    sql("DROP TRIGGER a; DROP TRIGGER b").await;
    until(async || inbox.counts().await.unwrap().waiting == 0).await;
    assert_eq!(work.calls.load(SeqCst), 1);
}
