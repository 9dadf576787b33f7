//! One app's lane: its order, its pauses, its limits, and what does not fit in memory.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use larkspur::{BoxError, Delivery, Router, State};
use larkspur_platform::{AppChange, DeliveryChange};
use larkspur_store::DeliveryId;
use larkspur_testkit::{TENANT, TestPlatform};
use larkspur_wire::AppId;
use serde_json::{Value, json};

const FIRST_RUNG: Duration = Duration::from_secs(15);

/// Texts that were found at a place in the payloads, in order of arrival.
#[derive(Clone, Default)]
struct Seen {
    texts: Arc<Mutex<Vec<String>>>,
    fails_first: Arc<Mutex<bool>>,
    /// While a test has it, handlers wait.
    held: Arc<tokio::sync::Mutex<()>>,
}

async fn on_any(delivery: Delivery, State(seen): State<Seen>) -> Result<(), BoxError> {
    drop(seen.held.lock().await);
    let payload: Value = serde_json::from_str(delivery.payload())?;
    let text = ["status", "exam_id"]
        .into_iter()
        .find_map(|name| payload[name].as_str());
    seen.texts.lock().unwrap().push(text.unwrap_or_default().to_owned());
    if std::mem::take(&mut *seen.fails_first.lock().unwrap()) {
        return Err("told to fail".into());
    }
    Ok(())
}

impl Seen {
    /// Connects a client of the platform's app.
    async fn connect(&self, platform: &TestPlatform) {
        let router = Router::new().fallback(on_any).with_state(self.clone());
        tokio::spawn(platform.app().connect(router).into_future());
        platform.online(1).await;
    }

    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    async fn wait(&self, platform: &TestPlatform, texts: &[&str]) {
        platform.until(async || self.texts().len() >= texts.len()).await;
        assert_eq!(self.texts(), texts);
    }
}

fn app_id(platform: &TestPlatform) -> AppId {
    platform.app().id().parse().unwrap()
}

async fn approval(platform: &TestPlatform, instance: &str, status: &str) {
    let event = json!({"instance_code": instance, "approval_code": "a", "status": status});
    let body = json!({"event_type": "approval_instance", "event": event, "tenant_key": TENANT});
    platform.publish(&body).await.unwrap();
}

async fn exam(platform: &TestPlatform, id: &str) -> DeliveryId {
    let body = json!({
        "event_type": "hire.eco_exam.created_v1", "event": {"exam_id": id}, "app_id": app_id(platform),
        "tenant_key": TENANT,
    });
    platform.publish(&body).await.unwrap().deliveries[0].delivery_id
}

async fn change(platform: &TestPlatform, delivery: DeliveryChange) {
    let change = AppChange {
        delivery,
        ..AppChange::default()
    };
    platform.engine().update_app(&app_id(platform), change).await.unwrap();
}

#[tokio::test]
async fn approvals_of_one_instance_wait_for_the_one_before() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    *seen.fails_first.lock().unwrap() = true;
    seen.connect(&platform).await;
    approval(&platform, "one", "PENDING").await;
    seen.wait(&platform, &["PENDING"]).await;
    approval(&platform, "one", "APPROVED").await;
    approval(&platform, "one", "REVERTED").await;
    approval(&platform, "two", "REJECTED").await;
    seen.wait(&platform, &["PENDING", "REJECTED"]).await;
    platform.advance(FIRST_RUNG);
    seen.wait(&platform, &["PENDING", "REJECTED", "PENDING", "APPROVED", "REVERTED"])
        .await;
}

#[tokio::test]
async fn a_paused_app_receives_when_it_goes_on() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    seen.connect(&platform).await;
    let paused = |paused| DeliveryChange {
        paused: Some(paused),
        ..DeliveryChange::default()
    };
    change(&platform, paused(true)).await;
    exam(&platform, "1").await;
    exam(&platform, "2").await;
    let backlog = platform.engine().store().backlog().await.unwrap();
    assert_eq!(backlog.iter().map(|one| one.pending).sum::<u64>(), 2);
    assert!(seen.texts().is_empty());
    change(&platform, paused(false)).await;
    seen.wait(&platform, &["1", "2"]).await;
}

#[tokio::test]
async fn what_waits_in_memory_when_an_app_is_paused_waits_until_it_goes_on() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    seen.connect(&platform).await;
    let limits = |paused| DeliveryChange {
        in_flight_max: Some(NonZeroU32::new(1)),
        paused: Some(paused),
        ..DeliveryChange::default()
    };
    change(&platform, limits(false)).await;
    let held = seen.held.lock().await;
    exam(&platform, "1").await;
    let waiting = exam(&platform, "2").await;
    change(&platform, limits(true)).await;
    drop(held);
    let pending = async || platform.engine().store().depth().await.unwrap().pending;
    platform.until(async || pending().await == 1).await;
    let lease = Duration::from_mins(1);
    platform.advance(lease);
    let went_on = platform.engine().clock().now();
    change(&platform, limits(false)).await;
    seen.wait(&platform, &["1", "2"]).await;
    platform.until(async || pending().await == 0).await;
    let attempts = platform.engine().store().attempts(waiting).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].started_at >= went_on);
}

#[tokio::test]
async fn a_producer_that_goes_away_leaves_nothing_to_a_lease() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    seen.connect(&platform).await;
    // It is asked once, so that the event is on its way to the disk, and then dropped.
    let gone = exam(&platform, "1").now_or_never();
    assert!(gone.is_none());
    seen.wait(&platform, &["1"]).await;
}

#[tokio::test]
async fn an_app_may_have_a_ladder_of_its_own() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    *seen.fails_first.lock().unwrap() = true;
    seen.connect(&platform).await;
    let own = DeliveryChange {
        retry_seconds: Some(Some(vec![3_600])),
        ..DeliveryChange::default()
    };
    change(&platform, own).await;
    exam(&platform, "1").await;
    seen.wait(&platform, &["1"]).await;
    let due = async || {
        let backlog = platform.engine().store().backlog().await.unwrap();
        backlog.first().and_then(|one| one.next_due)
    };
    let now = platform.engine().clock().now();
    platform
        .until(async || {
            due()
                .await
                .is_some_and(|at| at > now.saturating_add(Duration::from_mins(59)))
        })
        .await;
    platform.advance(Duration::from_hours(1));
    seen.wait(&platform, &["1", "1"]).await;
}

#[tokio::test]
async fn more_than_memory_holds_arrives_once_each() {
    const EVENTS: usize = 1_300;
    let platform = TestPlatform::start().await;
    let one_at_a_time = DeliveryChange {
        in_flight_max: Some(NonZeroU32::new(1)),
        ..DeliveryChange::default()
    };
    change(&platform, one_at_a_time).await;
    let seen = Seen::default();
    seen.connect(&platform).await;
    let ids: Vec<String> = (0..EVENTS).map(|n| n.to_string()).collect();
    futures_util::future::join_all(ids.iter().map(|id| exam(&platform, id))).await;
    platform.until(async || seen.texts().len() >= EVENTS).await;
    let distinct: std::collections::BTreeSet<_> = seen.texts().into_iter().collect();
    assert_eq!((seen.texts().len(), distinct.len()), (EVENTS, EVENTS));
}
