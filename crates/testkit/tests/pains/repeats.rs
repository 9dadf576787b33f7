//! P1: duplicate, late and stale deliveries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larkspur::{BoxError, Dedup, Meta, Router, State};
use larkspur_testkit::{Client, DeliveryState, Fault, TestPlatform};
use serde_json::json;

use crate::{EXAM, FIRST_RUNG, patient, until};

/// A type that every app in the tenant gets.
const MESSAGE: &str = "im.message.receive_v1";
const SEVEN_HOURS: Duration = Duration::from_hours(7);

async fn take(_: Meta) {}

/// P1, larksuite/node-sdk#10: even an event that was taken may come again, and every official SDK calls the handler
/// again.
#[tokio::test]
async fn dup_after_success() {
    let lab = patient().await;
    let _bot = lab.client(Router::new().fallback(take)).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    lab.resend(&event).await;
    let codes: Vec<_> = lab.attempts(&event, 2).await.iter().map(|one| one.code).collect();
    assert_eq!(codes, [Some(200), Some(200)]);
    assert_eq!(lab.handled(&event), 1);
    // And at once, behind its own answer.
    lab.chaos().next(Fault::Duplicate);
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    until("it came again", || lab.chaos().tally().events == 4).await;
    let after = lab.trigger(EXAM).await;
    assert_eq!(lab.settled(&after).await, [DeliveryState::Delivered]);
    assert_eq!(lab.handled(&event), 1);
}

/// P1, botmux PR#328: a memory that ends with the process lets the later rungs through, hours after the event was
/// handled.
#[tokio::test]
async fn retry_after_restart() {
    let lab = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 5_000).await;
    let folder = tempfile::tempdir().unwrap();
    let process = || {
        let dedup = Dedup::sqlite(folder.path().join("repeats.db"), Duration::from_hours(8)).unwrap();
        lab.client(Router::new().fallback(take).dedup(dedup))
    };
    let first = process().await;
    lab.chaos().drop_next_ack();
    let event = lab.trigger(EXAM).await;
    until("the handler ran", || lab.handled(&event) == 1).await;
    assert_eq!(first.stop().await.handled, 1);
    lab.attempts(&event, 1).await;
    lab.online(0).await;
    let second = process().await;
    lab.drained().await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    assert_eq!(lab.attempts(&event, 2).await.len(), 2);
    assert_eq!(lab.handled(&event), 1, "the next process knows it");
    assert_eq!(second.stop().await.repeated, 1);
}

/// Fails so many times, then succeeds.
async fn fail_first(_: Meta, State(failures): State<Arc<AtomicUsize>>) -> Result<(), BoxError> {
    let one_less = |left: usize| left.checked_sub(1);
    match failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less) {
        Ok(_) => Err("told to fail".into()),
        Err(_) => Ok(()),
    }
}

/// P1, metabot PR#337: an event whose handler failed must not count as done.
#[tokio::test]
async fn failed_then_retry() {
    let lab = patient().await;
    let router = Router::new().fallback(fail_first);
    let _bot = lab.client(router.with_state(Arc::new(AtomicUsize::new(1)))).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.attempts(&event, 1).await[0].code, Some(500));
    lab.advance(FIRST_RUNG);
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    assert_eq!(lab.handled(&event), 2, "the failure, and the retry");
}

/// P1, metabot PR#337: two bots in one group see the same event, so what was handled for one is not done for the other.
#[tokio::test]
async fn two_apps_same_message() {
    let lab = patient().await;
    let second = lab.add_app("second").await;
    // One memory for both, as in a process that serves many apps.
    let router = Router::new().fallback(take).dedup(Dedup::default());
    let _first = lab.client(router.clone()).await;
    let _second = Client::start(lab.credentials(&second).connect(lab.watch(router)));
    lab.app_online(&second, 1).await;
    let facts = lab.engine().catalog().find(MESSAGE).unwrap();
    let body = json!({ "event_type": MESSAGE, "event": facts.sample() });
    let event = lab.publish(&body).await.unwrap().event_id;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered; 2]);
    assert_eq!(lab.handled(&event), 2);
    assert!(lab.handled_again().is_empty(), "once for each app");
}

type Ages = Arc<Mutex<Vec<(&'static str, Duration)>>>;

/// P1, hermes-agent#90833: what arrives seven hours late tells its age, and goes to the handler for what is too old.
#[tokio::test]
async fn stale_7h() {
    let (lab, ages) = (patient().await, Ages::default());
    let note = |kind| {
        move |meta: Meta, State(ages): State<Ages>| async move {
            ages.lock().unwrap().push((kind, meta.age().unwrap()));
        }
    };
    let router = Router::new().fallback(note("fresh"));
    let without = lab.client(router.clone().with_state(Arc::clone(&ages))).await;
    let event = lab.trigger_aged(EXAM, SEVEN_HOURS).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    without.stop().await;
    lab.online(0).await;
    let router = router.stale(Duration::from_hours(6), note("stale"));
    let _with = lab.client(router.with_state(Arc::clone(&ages))).await;
    for age in [SEVEN_HOURS, Duration::ZERO] {
        let event = lab.trigger_aged(EXAM, age).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    }
    let ages = ages.lock().unwrap();
    let kinds: Vec<_> = ages.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["fresh", "stale", "fresh"]);
    assert!(
        ages[0].1 >= SEVEN_HOURS && ages[1].1 >= SEVEN_HOURS && ages[2].1 < SEVEN_HOURS,
        "{ages:?}"
    );
}
