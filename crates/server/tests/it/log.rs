//! The log over HTTP: what is found, what is followed, what leaves it.

use bytes::Bytes;
use larkspur_store::NewEvent;
use larkspur_wire::TimestampMs;
use serde_json::{Value, json};

use crate::platform::{Platform, TENANT, wait_for};

const CREATED: &str = "hire.eco_exam.created_v1";
const MESSAGE: &str = "im.message.receive_v1";

/// A platform with an app that receives two types by webhook, in the inbox `app`.
async fn platform() -> (Platform, String) {
    let platform = Platform::start().await;
    let app = platform
        .webhook_app("app", &json!("all"), &json!([CREATED, MESSAGE]))
        .await;
    (platform, app["app_id"].as_str().unwrap().to_owned())
}

/// What a list has, by one member of its items.
async fn listed(platform: &Platform, target: &str, member: &str) -> Vec<String> {
    let page = platform.get(target).await.expect(200);
    let text = |item: &Value| item[member].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn events_and_deliveries_are_found_by_every_filter() {
    let (platform, app) = platform().await;
    platform.happen(&app, CREATED, "first").await;
    platform.advance(60).await;
    let between = platform.now().await;
    platform.happen(&app, MESSAGE, "second").await;
    let (first, second, none): (&[&str], &[&str], &[&str]) = (&["first"], &["second"], &[]);
    for (query, expected) in [
        ("event_type=hire.*".to_owned(), first),
        (format!("event_type={MESSAGE}"), second),
        (format!("from={between}"), second),
        (format!("to={between}"), first),
        (format!("from={between}&event_type=hire.*"), none),
        (format!("app_id={app}&to={between}"), first),
        (format!("tenant_key={TENANT}&from={between}"), second),
        ("tenant_key=elsewhere".to_owned(), none),
        ("event_id=first".to_owned(), first),
        ("state=dead".to_owned(), none),
        (format!("state=delivered&from={between}"), second),
    ] {
        for list in ["events", "deliveries"] {
            let target = format!("/api/v1/{list}?{query}");
            assert_eq!(listed(&platform, &target, "event_id").await, expected, "{target}");
        }
    }
    for wrong in ["event_type=im[a]", "state=lost", "from=yesterday", "app_id=mine"] {
        for list in ["events", "deliveries"] {
            platform.get(&format!("/api/v1/{list}?{wrong}")).await.expect(400);
        }
    }
}

#[tokio::test]
async fn attempts_are_followed_with_a_cursor() {
    let (platform, app) = platform().await;
    let start = platform.get("/api/v1/attempts").await.expect(200);
    assert_eq!((&start["items"], &start["caught_up"]), (&json!([]), &json!(true)));
    platform.happen(&app, CREATED, "first").await;
    platform.happen(&app, MESSAGE, "second").await;
    let next = start["next"].as_str().unwrap();
    let followed = platform
        .get(&format!("/api/v1/attempts?after={next}&limit=1"))
        .await
        .expect(200);
    let item = &followed["items"][0];
    assert_eq!(
        (&item["event_id"], &item["event_type"]),
        (&json!("first"), &json!(CREATED))
    );
    assert_eq!(
        (&item["state"], &item["attempt"]["code"]),
        (&json!("delivered"), &json!(200))
    );
    assert_eq!(followed["caught_up"], false);
    let next = followed["next"].as_str().unwrap();
    let target = format!("/api/v1/attempts?after={next}");
    assert_eq!(listed(&platform, &target, "event_id").await, ["second"]);
    let target = "/api/v1/attempts?since=0&event_type=im.*";
    assert_eq!(listed(&platform, target, "event_id").await, ["second"]);
    platform.get("/api/v1/attempts?after=nowhere").await.expect(400);
}

#[tokio::test]
async fn a_failed_attempt_tells_when_the_next_one_is() {
    let platform = Platform::start().await;
    let app = platform.webhook_app("app", &json!("all"), &json!([CREATED])).await;
    let app = app["app_id"].as_str().unwrap();
    let nobody = json!({"events": {"mode": "websocket"}, "callbacks": {"mode": "websocket"}});
    platform
        .send("PATCH", &format!("/api/v1/apps/{app}"), &nobody)
        .await
        .expect(200);
    let event = json!({"event_type": CREATED, "event": {}, "event_id": "e1", "app_id": app});
    platform.publish(&event).await.expect(200);
    let item = wait_for("an attempt", async || {
        let feed = platform.get("/api/v1/attempts?since=0").await.expect(200);
        feed["items"].get(0).cloned()
    })
    .await;
    assert_eq!(item["state"], "pending", "{item}");
    assert!(item["next_try_at"].as_i64().unwrap() > item["attempt"]["started_at"].as_i64().unwrap());
}

/// How many events left the log, once any did: one is gone a moment before it is counted.
async fn trimmed(platform: &Platform) -> u64 {
    wait_for("events to be counted", async || {
        let counters = platform.get("/api/v1/counters").await.expect(200);
        let trimmed = counters["engine"]["events_trimmed"].as_u64().unwrap();
        (trimmed > 0).then_some(trimmed)
    })
    .await
}

#[tokio::test]
async fn what_is_older_than_the_retention_leaves_the_log() {
    let (platform, app) = platform().await;
    platform.happen(&app, CREATED, "old").await;
    platform.advance(29 * 86_400).await;
    platform.happen(&app, CREATED, "young").await;
    platform.get("/api/v1/events/old").await.expect(200);
    platform.advance(2 * 86_400).await;
    wait_for("the old event to go", async || {
        let old = platform.get("/api/v1/events/old").await;
        (old.status == 404).then_some(())
    })
    .await;
    platform.get("/api/v1/events/young").await.expect(200);
    assert_eq!(listed(&platform, "/api/v1/deliveries", "event_id").await, ["young"]);
    assert_eq!(trimmed(&platform).await, 1);
}

#[tokio::test]
async fn what_is_too_much_leaves_the_log_and_the_newest_stay() {
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    const EVENTS: usize = 40;
    let platform = Platform::with(|settings, _| settings.retention.bytes_max = Some(BYTES_MAX), None).await;
    // 20 MiB, for no app: what nobody gets is settled.
    let payload = Bytes::from(json!({"text": "x".repeat(512 * 1024)}).to_string());
    let accepted_at = TimestampMs(platform.now().await);
    for n in 0..EVENTS {
        let event = NewEvent {
            id: format!("e{n}").parse().unwrap(),
            event_type: MESSAGE.parse().unwrap(),
            tenant_key: None,
            create_time: accepted_at,
            accepted_at,
            payload: payload.clone(),
            digest: [0; 32],
            deliveries: Vec::new(),
            lease_until: accepted_at,
            binds: Vec::new(),
            known_only: false,
        };
        platform.engine.store().accept(vec![event]).await.unwrap();
    }
    platform.advance(60).await;
    wait_for("the oldest event to go", async || {
        let oldest = platform.get("/api/v1/events/e0").await;
        (oldest.status == 404).then_some(())
    })
    .await;
    platform
        .get(&format!("/api/v1/events/e{}", EVENTS - 1))
        .await
        .expect(200);
    let trimmed = trimmed(&platform).await;
    assert!((1..EVENTS as u64 / 2).contains(&trimmed), "{trimmed}");
}
