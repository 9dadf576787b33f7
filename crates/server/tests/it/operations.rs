//! What an operator relies on: probes, the end, a copy of the store.

use larkspur_store::Log;
use larkspur_store_sqlite::{Options, SqliteStore};
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::platform::{Platform, TENANT};

const EXAM: &str = "hire.eco_exam.created_v1";

/// Asks as an orchestrator does: without a token, by an address that nobody told the platform.
async fn probe(platform: &Platform, path: &str) -> Answer {
    let call = Call::new(platform.addr, "GET", path).header("host", "10.1.2.3:7070");
    platform.checked("GET", path, call).await
}

#[tokio::test]
async fn probes_are_answered_whoever_asks() {
    let platform = Platform::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = probe(&platform, path).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (200, &b"ok\n"[..]),
            "{path}"
        );
    }
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["refused"], json!({}));
}

#[tokio::test]
async fn a_store_that_cannot_be_written_makes_the_platform_unready_and_leaves_it_alive() {
    let platform = Platform::start().await;
    platform.store.close().await;
    let unready = probe(&platform, "/readyz").await.expect(503);
    assert_eq!(unready["code"], "store_not_writable");
    assert!(unready["detail"].as_str().unwrap().contains("closed"), "{unready}");
    assert_eq!(probe(&platform, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_store_that_hangs_makes_the_platform_unready_until_it_does_not() {
    let platform = Platform::start().await;
    // Another program holds the file, as a disk would that does not answer.
    let other = rusqlite::Connection::open(platform.dir.path().join("larkspur.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let unready = probe(&platform, "/readyz").await.expect(503);
    assert!(unready["detail"].as_str().unwrap().contains("within 2 s"), "{unready}");
    other.execute_batch("ROLLBACK").unwrap();
    crate::platform::wait_for("the platform to be ready again", async || {
        (probe(&platform, "/readyz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_ends_takes_no_event_and_says_when_to_come_back() {
    let platform = Platform::start().await;
    platform.engine.drain().await;
    let unready = probe(&platform, "/readyz").await;
    assert_eq!(unready.headers["retry-after"], "5");
    assert_eq!(unready.expect(503)["code"], "shutting_down");
    assert_eq!(probe(&platform, "/healthz").await.status, 200);
    let event = json!({"event_type": EXAM, "event": {}, "event_id": "late"});
    let refused = platform.publish(&event).await;
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(refused.expect(503)["code"], "shutting_down");
    platform.get("/api/v1/events/late").await.expect(404);
    let call = json!({"event_type": "card.action.trigger", "event": {}});
    let refused = platform.send("POST", "/api/v1/callbacks", &call).await.expect(503);
    assert_eq!(refused["code"], "shutting_down");
}

#[tokio::test]
async fn a_push_on_its_way_ends_before_the_platform_does() {
    let platform = Platform::start().await;
    let app = platform
        .webhook_app("taker", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    for n in 0..20 {
        let event = json!({"event_type": EXAM, "event": {}, "event_id": format!("e{n}"), "app_id": app["app_id"]});
        platform.publish(&event).await.expect(200);
    }
    platform.engine.shutdown().await;
    // What was sent is written down, and what was not sent waits for the next start.
    let depth = larkspur_store::DeliveryQueue::depth(platform.store.as_ref())
        .await
        .unwrap();
    let received = platform.received("taker", 0).await.len() as u64;
    assert_eq!(depth.pending + received, 20);
}

#[tokio::test]
async fn a_backup_is_a_store_with_everything_that_was_accepted() {
    let platform = Platform::start().await;
    let app = json!({"name": "mine", "kind": "custom", "tenants": [TENANT]});
    let app = platform.app(&app).await;
    let event = json!({"event_type": EXAM, "event": {}, "event_id": "e1", "app_id": app["app_id"]});
    platform.publish(&event).await.expect(200);
    let backup = platform.send("POST", "/api/v1/backup", &Value::Null).await;
    assert_eq!(backup.headers["content-length"], backup.body.len().to_string());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("larkspur.db");
    std::fs::write(&path, &backup.body).unwrap();
    let restored = SqliteStore::open(&path, &Options::default()).unwrap();
    assert!(restored.event(&"e1".parse().unwrap()).await.unwrap().is_some());
    // The place is free again once it was sent.
    crate::platform::wait_for("another backup", async || {
        let again = platform.send("POST", "/api/v1/backup", &Value::Null).await;
        (again.status == 200).then_some(())
    })
    .await;
}
