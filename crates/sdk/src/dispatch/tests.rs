use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use larkspur_wire::envelope::Incoming;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::*;
use crate::extract::State;
use crate::reply::BoxError;

pub(crate) const NOW: TimestampMs = TimestampMs(1_608_725_989_000);

pub(crate) fn envelope(event_type: &str, event_id: &str) -> Envelope {
    let body = json!({
        "schema": "2.0",
        "header": { "event_id": event_id, "event_type": event_type, "create_time": "1608725989000", "app_id": "cli_1" },
        "event": {},
    });
    match Incoming::parse(body.to_string().as_bytes()) {
        Ok(Incoming::Event(envelope)) => envelope,
        other => panic!("{other:?}"),
    }
}

async fn handle(router: &Router, event_type: &str) -> Outcome {
    let dispatcher = Dispatcher::new(router.clone()).unwrap();
    dispatcher
        .start(envelope(event_type, "e1"), Transport::Webhook, NOW)
        .await
}

pub(crate) fn failure(outcome: Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_next_event_is_handled() {
    let router = Router::new()
        .on_raw("a.panics_v1", async |_: Delivery| -> () { panic!("on purpose") })
        .on_raw("a.works_v1", async |_: Delivery| {});
    assert_eq!(failure(handle(&router, "a.panics_v1").await), Some(Failure::Panicked));
    assert_eq!(failure(handle(&router, "a.works_v1").await), None);
}

#[tokio::test]
async fn a_handler_that_fails_is_a_failure() {
    let fails = async |_: Delivery| Err::<(), BoxError>("on purpose".into());
    let router = Router::new().on_raw("a.fails_v1", fails);
    assert_eq!(failure(handle(&router, "a.fails_v1").await), Some(Failure::Handler));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_stopped() {
    let stuck = async |_: Delivery| std::future::pending::<()>().await;
    for limit in [Duration::from_secs(1), Duration::from_mins(1)] {
        let router = Router::new().on_raw("a.stuck_v1", stuck).time_limit(limit);
        let started = Instant::now();
        assert_eq!(failure(handle(&router, "a.stuck_v1").await), Some(Failure::TimedOut));
        let took = started.elapsed();
        assert!(took >= limit && took < limit + Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_at_once_than_allowed() {
    type Counts = Arc<(AtomicUsize, AtomicUsize)>;
    async fn count(_: Delivery, State(counts): State<Counts>) {
        let running = counts.0.fetch_add(1, SeqCst) + 1;
        counts.1.fetch_max(running, SeqCst);
        sleep(Duration::from_secs(1)).await;
        counts.0.fetch_sub(1, SeqCst);
    }
    let counts = Counts::default();
    let router = Router::new().on_raw("a.slow_v1", count).concurrency(2);
    let dispatcher = Dispatcher::new(router.with_state(Arc::clone(&counts))).unwrap();
    let start = |idx| dispatcher.start(envelope("a.slow_v1", &format!("e{idx}")), Transport::Webhook, NOW);
    let started: Vec<_> = (0..11).map(start).collect();
    let mut busy = 0;
    for outcome in started {
        busy += usize::from(failure(outcome.await) == Some(Failure::Busy));
    }
    // Two run and eight wait.
    assert_eq!(busy, 1);
    assert_eq!(counts.1.load(SeqCst), 2);
}

#[tokio::test]
async fn a_handler_ends_although_nobody_waits_for_it() {
    async fn end(_: Delivery, State(ended): State<Arc<Notify>>) {
        tokio::task::yield_now().await;
        ended.notify_one();
    }
    let ended = Arc::new(Notify::new());
    let router = Router::new().on_raw("a.seen_v1", end).with_state(Arc::clone(&ended));
    let dispatcher = Dispatcher::new(router).unwrap();
    drop(dispatcher.start(envelope("a.seen_v1", "e1"), Transport::Webhook, NOW));
    drop(dispatcher);
    ended.notified().await;
}

#[tokio::test]
async fn an_event_without_a_handler_is_acked_or_refused_by_the_strict() {
    let router = Router::new();
    assert!(matches!(handle(&router, "a.new_v1").await, Outcome::NoHandler));
    let strict = router.strict();
    assert_eq!(failure(handle(&strict, "a.new_v1").await), Some(Failure::NoHandler));
}

#[tokio::test]
async fn a_type_without_a_handler_is_named_once() {
    let dispatcher = Dispatcher::new(Router::new()).unwrap();
    assert!(dispatcher.inner.is_new("a.new_v1"));
    assert!(!dispatcher.inner.is_new("a.new_v1"));
}

#[test]
fn a_router_under_which_nothing_could_run_is_refused() {
    let zero = |router: Router| matches!(Dispatcher::new(router), Err(RouterError::Zero { .. }));
    assert!(zero(Router::new().concurrency(0)));
    assert!(zero(Router::new().time_limit(Duration::ZERO)));
}

#[tokio::test]
async fn old_events_are_handled_dropped_or_routed_as_the_router_says() {
    let own = async |_: Delivery| serde_json::json!("own");
    let stale = async |_: Delivery| serde_json::json!("stale");
    let router = Router::new()
        .without_dedup()
        .on_raw("a.seen_v1", own)
        .on_raw("card.action.trigger", own);
    let hour = Duration::from_hours(1);
    let became = async |router: &Router, event_type: &str, age| {
        let dispatcher = Dispatcher::new(router.clone()).unwrap();
        let now = NOW.saturating_add(age);
        match dispatcher
            .start(envelope(event_type, "e1"), Transport::Webhook, now)
            .await
        {
            Outcome::Handled(Answer(Some(json))) => String::from_utf8(json).unwrap(),
            other => format!("{other:?}"),
        }
    };
    let apart = router.clone().stale(hour, stale);
    let drops = router.clone().drop_stale(hour);
    assert_eq!(became(&router, "a.seen_v1", hour * 7).await, r#""own""#);
    assert_eq!(became(&apart, "a.seen_v1", hour).await, r#""stale""#);
    assert_eq!(became(&drops, "a.seen_v1", hour).await, "Stale");
    for router in [apart, drops] {
        assert_eq!(became(&router, "a.seen_v1", hour / 2).await, r#""own""#);
        assert_eq!(became(&router, "card.action.trigger", hour).await, r#""own""#);
        assert_eq!(became(&router, "a.new_v1", hour).await, "NoHandler");
    }
}
