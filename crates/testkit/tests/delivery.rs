//! The SDK against the platform: arrival, failure, the ladder, and every assumption about retries from both sides.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use larkspur::events::corehr::JobChangeStatusUpdatedV2;
use larkspur::events::hire::EcoExamCreatedV1;
use larkspur::{BoxError, Event, Meta, Router, State, Transport};
use larkspur_platform::{RetryBody, RetryConnection, RetryFrom, WithheldField};
use larkspur_testkit::{DeliveryState, TENANT, TestPlatform};
use larkspur_wire::AppId;
use serde_json::json;
use tokio::task::JoinHandle;

const EXAM: &str = "hire.eco_exam.created_v1";
const FIRST_RUNG: Duration = Duration::from_secs(15);

/// What arrived, and how many times to fail first.
#[derive(Clone, Default)]
struct Inbox {
    seen: Arc<Mutex<Vec<Meta>>>,
    failures: Arc<Mutex<u32>>,
}

impl Inbox {
    fn failing(times: u32) -> Self {
        Self {
            failures: Arc::new(Mutex::new(times)),
            ..Self::default()
        }
    }

    fn take(&self, meta: Meta) -> Result<(), BoxError> {
        self.seen.lock().unwrap().push(meta);
        let mut failures = self.failures.lock().unwrap();
        match failures.checked_sub(1) {
            Some(left) => {
                *failures = left;
                Err("told to fail".into())
            }
            None => Ok(()),
        }
    }

    fn seen(&self) -> Vec<Meta> {
        self.seen.lock().unwrap().clone()
    }

    fn router(&self) -> Router {
        Router::new().on(on_exam).fallback(on_any).with_state(self.clone())
    }
}

async fn on_exam(Event(exam): Event<EcoExamCreatedV1>, meta: Meta, State(inbox): State<Inbox>) -> Result<(), BoxError> {
    assert!(
        exam.exam_id.is_some() && exam.extra.is_empty(),
        "{}",
        exam.exam_id.unwrap_or_default()
    );
    inbox.take(meta)
}

async fn on_any(meta: Meta, State(inbox): State<Inbox>) -> Result<(), BoxError> {
    inbox.take(meta)
}

async fn connected(platform: &TestPlatform, inbox: &Inbox) -> JoinHandle<()> {
    let client = platform.app().connect(inbox.router()).into_future();
    let task = tokio::spawn(async move { drop(client.await) });
    platform.online(1).await;
    task
}

/// An axum server with the SDK's webhook, whose URL the app was given.
async fn hooked(platform: &TestPlatform, inbox: &Inbox, encrypted: bool) -> AppId {
    let id = platform.add_webhook_app(encrypted).await;
    serve_hook(platform, inbox, &id).await;
    id
}

async fn serve_hook(platform: &TestPlatform, inbox: &Inbox, id: &AppId) {
    let hook = platform.credentials(id).webhook(inbox.router()).unwrap();
    let web = axum::Router::new().route_service("/webhook/event", hook);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook/event", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, web).await.unwrap() });
    platform.set_url(id, &url).await;
}

#[tokio::test]
async fn an_event_arrives_over_a_persistent_connection() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
    let _client = connected(&platform, &inbox).await;
    let event = platform.trigger(EXAM).await;
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
    let seen = inbox.seen();
    assert_eq!((seen.len(), seen[0].event_id.as_str()), (1, event.as_str()));
    assert_eq!(
        (seen[0].event_type.as_str(), seen[0].tenant_key.as_str()),
        (EXAM, TENANT)
    );
    assert!(matches!(seen[0].transport, Transport::PersistentConnection { .. }));
    assert!(seen[0].age().unwrap() < Duration::from_mins(1));
}

#[tokio::test]
async fn an_event_arrives_by_webhook_sealed_or_not() {
    for encrypted in [true, false] {
        let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
        let app = hooked(&platform, &inbox, encrypted).await;
        let event = platform.trigger_for(&app, EXAM).await;
        assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(inbox.seen()[0].transport, Transport::Webhook);
    }
}

#[tokio::test]
async fn every_event_type_arrives() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
    let _client = connected(&platform, &inbox).await;
    let apps = platform.engine().apps();
    let types = apps
        .iter()
        .flat_map(|app| app.published.as_ref().unwrap().config.events.types.clone());
    let types: Vec<_> = types.collect();
    assert!(types.len() > 200, "{}", types.len());
    for event_type in &types {
        let event = platform.trigger(event_type.as_str()).await;
        assert_eq!(
            platform.settled(&event).await,
            [DeliveryState::Delivered],
            "{event_type}"
        );
    }
    assert_eq!(inbox.seen().len(), types.len());
}

#[tokio::test]
async fn a_failed_handler_gets_the_event_again_when_the_first_rung_has_passed() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::failing(1));
    let _client = connected(&platform, &inbox).await;
    let event = platform.trigger(EXAM).await;
    let attempts = platform.attempts(&event, 1).await;
    assert_eq!((attempts[0].code, attempts[0].error.is_some()), (Some(500), true));
    platform.advance(FIRST_RUNG);
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
    assert_eq!(
        inbox
            .seen()
            .iter()
            .map(|meta| meta.event_id.as_str())
            .collect::<Vec<_>>(),
        [event.as_str(); 2]
    );
}

#[tokio::test]
async fn after_the_last_rung_a_delivery_is_dead() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::failing(99));
    let app = hooked(&platform, &inbox, true).await;
    let event = platform.trigger_for(&app, EXAM).await;
    for (rung, wait) in [15, 5 * 60, 60 * 60, 6 * 60 * 60].into_iter().enumerate() {
        assert_eq!(platform.attempts(&event, rung + 1).await.len(), rung + 1);
        platform.advance(Duration::from_secs(wait));
    }
    assert_eq!(platform.settled(&event).await, [DeliveryState::Dead]);
    assert_eq!(platform.attempts(&event, 5).await.len(), 5);
    assert_eq!(platform.engine().counters().deliveries_dead, 1);
}

#[tokio::test]
async fn with_nobody_online_an_event_waits_for_the_client() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
    let event = platform.trigger(EXAM).await;
    assert!(platform.attempts(&event, 1).await[0].error.is_some());
    let _client = connected(&platform, &inbox).await;
    platform.advance(FIRST_RUNG);
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
}

#[tokio::test]
async fn retries_can_count_from_the_first_attempt() {
    for (from, second_after) in [(RetryFrom::Previous, 15 + 300), (RetryFrom::First, 300)] {
        let platform = TestPlatform::with(|settings| settings.assumptions.retry_from = from).await;
        let event = platform.trigger(EXAM).await;
        platform.attempts(&event, 1).await;
        platform.advance(FIRST_RUNG);
        platform.attempts(&event, 2).await;
        platform
            .until(async || {
                let backlog = platform.engine().store().backlog().await.unwrap();
                let row = platform.engine().store().event(&event).await.unwrap().unwrap();
                backlog.iter().filter_map(|one| one.next_due).min().is_some_and(|due| {
                    let seconds = due.since(row.accepted_at).as_secs();
                    (second_after..second_after + 10).contains(&seconds)
                })
            })
            .await;
    }
}

/// A receiver that fails and keeps what it was sent.
async fn recorder() -> (String, Arc<Mutex<Vec<(axum::http::HeaderMap, axum::body::Bytes)>>>) {
    use axum::http::{HeaderMap, StatusCode};
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&seen);
    let receive = async move |headers: HeaderMap, body: axum::body::Bytes| {
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if value["type"] == "url_verification" {
            return (StatusCode::OK, json!({ "challenge": value["challenge"] }).to_string());
        }
        recorded.lock().unwrap().push((headers, body));
        (StatusCode::INTERNAL_SERVER_ERROR, String::new())
    };
    let web = axum::Router::new().route("/", axum::routing::post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, web).await.unwrap() });
    (url, seen)
}

#[tokio::test]
async fn a_retry_is_made_anew_or_repeats_the_bytes() {
    for (body, same) in [(RetryBody::Fresh, false), (RetryBody::Identical, true)] {
        let platform = TestPlatform::with(|settings| settings.assumptions.retry_body = body).await;
        let (url, seen) = recorder().await;
        let app = platform.add_webhook_app(false).await;
        platform.set_url(&app, &url).await;
        let event = platform.trigger_for(&app, EXAM).await;
        platform.attempts(&event, 1).await;
        platform.advance(FIRST_RUNG);
        platform.attempts(&event, 2).await;
        let seen = seen.lock().unwrap();
        let nonce = |idx: usize| seen[idx].0["x-lark-request-nonce"].clone();
        let timestamp = |idx: usize| seen[idx].0["x-lark-request-timestamp"].clone();
        assert_eq!(nonce(0) == nonce(1), same);
        assert_eq!(timestamp(0) == timestamp(1), same);
        assert_eq!(seen[0].1, seen[1].1, "the envelope itself is the same either way");
    }
}

#[tokio::test]
async fn a_retry_goes_to_any_connection_or_to_the_same_one() {
    let platform = TestPlatform::with(|settings| {
        settings.assumptions.retry_connection = RetryConnection::Same;
        settings.delivery.retry_seconds = vec![1; 8];
    })
    .await;
    let inbox = Inbox::failing(99);
    let _first = connected(&platform, &inbox).await;
    let second = platform.app().connect(inbox.router()).into_future();
    let _second = tokio::spawn(second);
    platform.online(2).await;
    let event = platform.trigger(EXAM).await;
    for attempt in 1..=8 {
        platform.attempts(&event, attempt).await;
        platform.advance(Duration::from_secs(1));
    }
    let targets: std::collections::BTreeSet<_> = platform
        .attempts(&event, 8)
        .await
        .into_iter()
        .map(|attempt| attempt.target)
        .collect();
    assert_eq!(targets.len(), 1, "{targets:?}");
}

async fn on_job_change(Event(change): Event<JobChangeStatusUpdatedV2>, State(seen): State<Arc<Mutex<Vec<String>>>>) {
    seen.lock()
        .unwrap()
        .push(serde_json::to_string(&change.target_user_id).unwrap());
}

#[tokio::test]
async fn a_withheld_field_is_absent_null_or_empty() {
    use larkspur_platform::{AppChange, Selection};
    for (instead, expected) in [
        (WithheldField::Absent, None),
        (WithheldField::Null, Some("null")),
        (WithheldField::Empty, Some("\"\"")),
    ] {
        let platform = TestPlatform::with(|settings| settings.assumptions.withheld_field = instead).await;
        let app = platform.engine().apps().iter().next().unwrap().id.clone();
        let scopes = "corehr:job_change.status_update_event:read".parse();
        let scopes = Some(Selection::These(scopes.into_iter().collect()));
        platform
            .engine()
            .update_app(
                &app,
                AppChange {
                    scopes,
                    ..AppChange::default()
                },
            )
            .await
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().on(on_job_change).with_state(Arc::clone(&seen));
        let _client = tokio::spawn(platform.app().connect(router).into_future());
        platform.online(1).await;
        let event = platform.trigger("corehr.job_change.status_updated_v2").await;
        assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
        let user: serde_json::Value = serde_json::from_str(&seen.lock().unwrap()[0]).unwrap();
        assert_eq!(
            user.get("user_id").map(ToString::to_string).as_deref(),
            expected,
            "{user}"
        );
        assert!(user["open_id"].is_string());
    }
}

#[tokio::test]
async fn a_store_app_gets_a_ticket_every_hour_and_when_it_asks() {
    use larkspur_platform::{AppChange, NewApp, Selection, SubscriptionChange, token};
    let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
    let events = SubscriptionChange {
        types: Some(Selection::All),
        ..SubscriptionChange::default()
    };
    let config = AppChange {
        name: Some("store".to_owned()),
        scopes: Some(Selection::All),
        events,
        ..AppChange::default()
    };
    let new = NewApp {
        kind: larkspur_store::AppKind::Store,
        id: None,
        config,
    };
    let id = platform.engine().create_app(new).await.unwrap().id.clone();
    serve_hook(&platform, &inbox, &id).await;
    let tickets = async || {
        inbox
            .seen()
            .iter()
            .filter(|meta| meta.event_type == "app_ticket")
            .count()
    };
    // To the first second of an hour, so that none begins by itself in between.
    let clock = platform.engine().clock();
    let next_hour = token::ticket_slot_end(clock.now());
    platform.advance(next_hour.since(clock.now()) + Duration::from_secs(1));
    platform.until(async || tickets().await == 1).await;
    platform.engine().push_app_ticket(&id).await.unwrap();
    platform.until(async || tickets().await == 2).await;
    platform.advance(Duration::from_hours(1));
    platform.until(async || tickets().await == 3).await;
    assert_eq!(inbox.seen()[0].tenant_key, "", "a ticket belongs to no tenant");
}

#[tokio::test]
async fn a_client_comes_back_when_its_connection_is_cut() {
    let (platform, inbox) = (TestPlatform::start().await, Inbox::default());
    let _client = connected(&platform, &inbox).await;
    let app = platform.engine().apps().iter().next().unwrap().id.clone();
    let opened = platform.engine().hub().counts().sessions_opened;
    platform.engine().hub().disconnect(&app);
    platform
        .until(async || platform.engine().hub().counts().sessions_opened > opened)
        .await;
    let event = platform.trigger(EXAM).await;
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
}

#[tokio::test]
async fn a_payload_of_3_mb_arrives_whole() {
    let platform = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 30_000).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = async |larkspur::RawEvent(event): larkspur::RawEvent, State(seen): State<Arc<Mutex<Vec<usize>>>>| {
        seen.lock()
            .unwrap()
            .push(event["paper_id"].as_str().unwrap_or_default().len());
    };
    let router = Router::new().fallback(keep).with_state(Arc::clone(&seen));
    let _client = tokio::spawn(platform.app().connect(router).into_future());
    platform.online(1).await;
    let event = json!({ "exam_id": "1", "paper_id": "x".repeat(3_000_000) });
    let body = json!({ "event_type": EXAM, "event": event, "app_id": platform.app().id() });
    let published = platform.publish(&body).await.unwrap();
    assert_eq!(platform.settled(&published.event_id).await, [DeliveryState::Delivered]);
    assert_eq!(*seen.lock().unwrap(), [3_000_000]);
}
