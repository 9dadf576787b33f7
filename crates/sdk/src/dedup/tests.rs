use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::Semaphore;

use super::*;
use crate::delivery::Transport;
use crate::dispatch::tests::{NOW, envelope, failure};
use crate::dispatch::{Dispatcher, Failure, Outcome, Started};
use crate::extract::State;
use crate::router::Router;

const KIND: &str = "a.seen_v1";

/// A handler that counts its calls, waits until it is let go, and fails as often as it is told.
#[derive(Default)]
struct Work {
    calls: AtomicUsize,
    fail: AtomicUsize,
    slow: bool,
    go: Go,
}

struct Go(Semaphore);

impl Default for Go {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

async fn work(_: Delivery, State(work): State<Arc<Work>>) -> Result<(), BoxError> {
    work.calls.fetch_add(1, SeqCst);
    if work.slow {
        work.go.0.acquire().await?.forget();
    }
    let fails = work.fail.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
    fails.map_or(Ok(()), |_| Err("on purpose".into()))
}

fn dispatcher(router: Router<Arc<Work>>, work: &Arc<Work>) -> Dispatcher {
    Dispatcher::new(router.with_state(Arc::clone(work))).unwrap()
}

fn router() -> Router<Arc<Work>> {
    Router::new().on_raw(KIND, work)
}

fn push(dispatcher: &Dispatcher, event_id: &str) -> Started {
    push_at(dispatcher, event_id, NOW)
}

fn push_at(dispatcher: &Dispatcher, event_id: &str, now: TimestampMs) -> Started {
    dispatcher.start(envelope(KIND, event_id), Transport::Webhook, now)
}

#[tokio::test]
async fn a_repeat_of_what_was_handled_is_acked_and_not_handled() {
    let work = Arc::<Work>::default();
    let dispatcher = dispatcher(router(), &work);
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Handled(_)));
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Repeated));
    assert!(matches!(push(&dispatcher, "e2").await, Outcome::Handled(_)));
    assert_eq!(work.calls.load(SeqCst), 2);
}

#[tokio::test]
async fn a_repeat_of_what_failed_is_handled() {
    let work = Arc::new(Work {
        fail: 1.into(),
        ..Work::default()
    });
    let dispatcher = dispatcher(router(), &work);
    assert_eq!(failure(push(&dispatcher, "e1").await), Some(Failure::Handler));
    assert!(matches!(push(&dispatcher, "e1").await, Outcome::Handled(_)));
}

#[tokio::test]
async fn copies_of_a_router_share_what_was_handled() {
    let work = Arc::<Work>::default();
    let router = router();
    let (one, other) = (dispatcher(router.clone(), &work), dispatcher(router, &work));
    assert!(matches!(push(&one, "e1").await, Outcome::Handled(_)));
    assert!(matches!(push(&other, "e1").await, Outcome::Repeated));
}

#[tokio::test]
async fn without_dedup_every_push_is_handled() {
    let work = Arc::<Work>::default();
    let dispatcher = dispatcher(router().without_dedup(), &work);
    for _ in 0..2 {
        assert!(matches!(push(&dispatcher, "e1").await, Outcome::Handled(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_what_is_in_flight_waits_for_it() {
    for fail in [0, 1] {
        let work = Arc::new(Work {
            slow: true,
            fail: fail.into(),
            ..Work::default()
        });
        let dispatcher = dispatcher(router(), &work);
        let first = push(&dispatcher, "e1");
        let second = push(&dispatcher, "e1");
        tokio::task::yield_now().await;
        work.go.0.add_permits(2);
        assert_eq!(failure(first.await).is_some(), fail == 1);
        // It takes its turn when the first one failed.
        assert!(matches!(
            (second.await, fail),
            (Outcome::Repeated, 0) | (Outcome::Handled(_), 1)
        ));
        assert_eq!(work.calls.load(SeqCst), 1 + fail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_no_longer_than_the_platform() {
    let work = Arc::new(Work {
        slow: true,
        ..Work::default()
    });
    let dispatcher = dispatcher(router(), &work);
    let first = push(&dispatcher, "e1");
    let started = Instant::now();
    assert_eq!(failure(push(&dispatcher, "e1").await), Some(Failure::InFlight));
    assert_eq!(started.elapsed(), PATIENCE);
    work.go.0.add_permits(1);
    assert!(matches!(first.await, Outcome::Handled(_)));
    assert_eq!(work.calls.load(SeqCst), 1);
}

#[tokio::test]
async fn an_event_is_forgotten_after_its_time_and_no_sooner() {
    let work = Arc::<Work>::default();
    let dispatcher = dispatcher(router(), &work);
    let hours = |hours| NOW.saturating_add(Duration::from_hours(hours));
    push(&dispatcher, "e0").await;
    push_at(&dispatcher, "e1", hours(7)).await;
    push_at(&dispatcher, "e2", hours(9)).await;
    assert!(matches!(push_at(&dispatcher, "e1", hours(15)).await, Outcome::Repeated));
    assert!(matches!(
        push_at(&dispatcher, "e1", hours(24)).await,
        Outcome::Handled(_)
    ));
    // Both generations are over after a long quiet.
    assert!(matches!(
        push_at(&dispatcher, "e1", hours(48)).await,
        Outcome::Handled(_)
    ));
}

#[tokio::test]
async fn no_more_events_are_remembered_than_fit() {
    let work = Arc::<Work>::default();
    let memory = Dedup::memory_of(KEEP, 10);
    let Store::Memory(store) = memory.store.clone() else {
        panic!("it is in memory");
    };
    let dispatcher = dispatcher(router().dedup(memory), &work);
    for idx in 0..100 {
        push(&dispatcher, &format!("e{idx}")).await;
        assert!(store.remembered() <= 20);
    }
    for idx in 90..100 {
        assert!(matches!(push(&dispatcher, &format!("e{idx}")).await, Outcome::Repeated));
    }
}

#[tokio::test]
async fn apps_that_share_a_dedup_do_not_share_events() {
    let work = Arc::<Work>::default();
    let dispatcher = dispatcher(router().dedup(Dedup::default()), &work);
    for app_id in ["cli_1", "cli_2"] {
        let mut event = envelope(KIND, "e1");
        app_id.clone_into(&mut event.header.app_id);
        let outcome = dispatcher.start(event, Transport::Webhook, NOW).await;
        assert!(matches!(outcome, Outcome::Handled(_)));
    }
}

#[tokio::test]
async fn a_key_of_its_own_tells_events_apart_where_it_says_anything() {
    let work = Arc::<Work>::default();
    let by_first = |delivery: &Delivery| {
        delivery
            .meta()
            .event_id
            .strip_prefix('m')
            .map(|rest| rest[..1].to_owned())
    };
    let dispatcher = dispatcher(router().dedup(Dedup::default().key(by_first)), &work);
    assert!(matches!(push(&dispatcher, "m1a").await, Outcome::Handled(_)));
    assert!(matches!(push(&dispatcher, "m1b").await, Outcome::Repeated));
    assert!(matches!(push(&dispatcher, "1").await, Outcome::Handled(_)));
    assert!(matches!(push(&dispatcher, "1").await, Outcome::Repeated));
}

#[tokio::test]
async fn a_key_that_panics_is_a_failure() {
    let work = Arc::<Work>::default();
    let panics = Dedup::default().key(|_| panic!("on purpose"));
    let dispatcher = dispatcher(router().dedup(panics), &work);
    assert_eq!(failure(push(&dispatcher, "e1").await), Some(Failure::Panicked));
}

#[tokio::test]
async fn what_has_no_id_and_callbacks_are_always_handled() {
    let work = Arc::<Work>::default();
    let router = router().on_raw("card.action.trigger", self::work);
    let dispatcher = dispatcher(router, &work);
    for _ in 0..2 {
        assert!(matches!(push(&dispatcher, "").await, Outcome::Handled(_)));
        let callback = envelope("card.action.trigger", "e1");
        let outcome = dispatcher.start(callback, Transport::Webhook, NOW).await;
        assert!(matches!(outcome, Outcome::Handled(_)));
    }
}

#[tokio::test]
async fn as_a_layer_it_drops_repeats_too() {
    let work = Arc::new(Work {
        fail: 1.into(),
        ..Work::default()
    });
    let dispatcher = dispatcher(router().without_dedup().layer(Dedup::default()), &work);
    assert_eq!(failure(push(&dispatcher, "e1").await), Some(Failure::Handler));
    for _ in 0..2 {
        assert!(matches!(push(&dispatcher, "e1").await, Outcome::Handled(_)));
    }
    assert_eq!(work.calls.load(SeqCst), 2);
}

#[derive(Clone, Default)]
struct Elsewhere {
    keys: Arc<Mutex<HashMap<String, Seen>>>,
    broken: bool,
}

impl DedupStore for Elsewhere {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Seen, BoxError>> {
        let mut keys = self.keys.lock().unwrap();
        let before = keys.get(key).copied().unwrap_or(Seen::New);
        if before == Seen::New {
            keys.insert(key.to_owned(), Seen::InFlight);
        }
        let answer = if self.broken { Err("gone".into()) } else { Ok(before) };
        Box::pin(async move { answer })
    }

    fn done<'a>(&'a self, key: &'a str, _: Duration) -> BoxFuture<'a, Result<(), BoxError>> {
        self.keys.lock().unwrap().insert(key.to_owned(), Seen::Done);
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), BoxError>> {
        self.keys.lock().unwrap().remove(key);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn processes_can_share_a_store() {
    let store = Elsewhere::default();
    let work = Arc::new(Work {
        slow: true,
        ..Work::default()
    });
    let process = || dispatcher(router().dedup(Dedup::with_store(store.clone(), KEEP)), &work);
    let first = push(&process(), "e1");
    tokio::task::yield_now().await;
    assert_eq!(failure(push(&process(), "e1").await), Some(Failure::InFlight));
    work.go.0.add_permits(1);
    first.await;
    assert!(matches!(push(&process(), "e1").await, Outcome::Repeated));
    assert!(store.keys.lock().unwrap().contains_key("cli_1//e1"));
}

#[tokio::test]
async fn an_event_whose_store_fails_is_pushed_again() {
    let work = Arc::<Work>::default();
    let broken = Elsewhere {
        broken: true,
        ..Elsewhere::default()
    };
    let dispatcher = dispatcher(router().dedup(Dedup::with_store(broken, KEEP)), &work);
    assert_eq!(failure(push(&dispatcher, "e1").await), Some(Failure::Store));
    assert_eq!(work.calls.load(SeqCst), 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_new_process_knows_what_the_one_before_it_handled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("repeats.db");
    let now = crate::clock::now();
    for (event_id, before) in [("e1", false), ("e1", true), ("e2", false)] {
        let work = Arc::<Work>::default();
        let dispatcher = dispatcher(router().dedup(Dedup::sqlite(&path, KEEP).unwrap()), &work);
        let outcome = push_at(&dispatcher, event_id, now).await;
        assert_eq!(matches!(outcome, Outcome::Repeated), before, "{event_id}");
        assert!(before || matches!(outcome, Outcome::Handled(_)), "{event_id}");
    }
    // What failed is not known, and what is over is forgotten.
    let work = Arc::new(Work {
        fail: 1.into(),
        ..Work::default()
    });
    let long_ago = now.saturating_sub(KEEP);
    let failing = dispatcher(router().dedup(Dedup::sqlite(&path, KEEP).unwrap()), &work);
    assert_eq!(failure(push_at(&failing, "e3", now).await), Some(Failure::Handler));
    assert!(matches!(push_at(&failing, "e4", long_ago).await, Outcome::Handled(_)));
    drop(failing);
    let next = dispatcher(router().dedup(Dedup::sqlite(&path, KEEP).unwrap()), &work);
    for event_id in ["e3", "e4"] {
        assert!(
            matches!(push_at(&next, event_id, now).await, Outcome::Handled(_)),
            "{event_id}"
        );
    }
}
