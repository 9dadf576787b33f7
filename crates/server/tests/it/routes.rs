//! Every route of the admin API, with every answer it documents.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use larkspur::{Router, State};
use serde_json::{Value, json};

use crate::callbacks::{Client, connected};
use crate::client::{Answer, Call};
use crate::contract::Operation;
use crate::platform::{Platform, TENANT, wait_for};

const APP: &str = "cli_00000000000000aa";
const EXAM: &str = "hire.eco_exam.created_v1";

/// What cannot be brought about over a socket in reasonable time: failures of our own, and 30 s of patience.
const NOT_DRIVEN: [&str; 4] = ["408", "429", "500", "503"];

#[tokio::test]
async fn every_documented_answer_is_given_and_fits_the_document() {
    let platform = Platform::start().await;
    successes(&platform).await;
    again(&platform).await;
    callbacks(&platform).await;
    conflicts(&platform).await;
    removals(&platform).await;
    let publisher = json!({"name": "publisher", "role": "publish"});
    let publisher = platform.send("POST", "/api/v1/tokens", &publisher).await.expect(201);
    let publisher = publisher["token"].as_str().unwrap();
    for operation in platform.contract.operations() {
        refusals(&platform, &operation, publisher).await;
    }
    let mut undriven = platform.contract.undriven();
    // A clock that cannot be moved belongs to another platform, and to a test of its own.
    undriven.retain(|(_, path, status)| !(path.starts_with("/api/v1/clock") && status == "404"));
    undriven.retain(|(_, _, status)| !NOT_DRIVEN.contains(&status.as_str()));
    assert!(undriven.is_empty(), "documented and never seen: {undriven:#?}");
}

/// A client of the app that lets the first push pass and answers the others.
async fn silent_once(platform: &Platform) -> Client {
    let app = platform
        .get(&format!("/api/v1/apps/{APP}?reveal=true"))
        .await
        .expect(200);
    let answer = async |State(silent): State<Arc<AtomicBool>>| {
        if silent.swap(false, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        json!({"toast": {}})
    };
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::new(AtomicBool::new(true)));
    connected(platform, &app, router).await
}

/// Drives every operation to its success.
async fn successes(platform: &Platform) {
    let app = json!({
        "name": "all of it", "kind": "custom", "app_id": APP, "tenants": [TENANT], "scopes": "all",
        "events": {"mode": "webhook", "url": platform.inbox_url("all"), "types": "all"},
        "callbacks": {"mode": "websocket", "types": "all"},
        "app_secret": "a secret of one's own", "allow_private_addresses": true,
        "delivery": {"paused": false, "in_flight_max": 5, "per_second_max": 50, "retry_seconds": [1, 2]}
    });
    let app = platform.app(&app).await;
    assert_eq!(app["app_secret"], "a secret of one's own");
    let patch = json!({"name": "all", "encrypt_key": ""});
    platform
        .send("PATCH", &format!("/api/v1/apps/{APP}"), &patch)
        .await
        .expect(200);
    platform
        .send("POST", &format!("/api/v1/apps/{APP}/versions"), &Value::Null)
        .await
        .expect(201);
    let resource = format!("/api/v1/apps/{APP}/resource-subscriptions/approval_instance/*");
    platform.send("PUT", &resource, &Value::Null).await.expect(200);
    platform
        .send("PUT", "/api/v1/bindings/account/7", &json!({"app_id": APP}))
        .await
        .expect(200);
    let exam = json!({"event_type": EXAM, "event": {"exam_id": "1", "account_id": "7"}, "event_id": "e1"});
    platform
        .send("POST", "/api/v1/events?explain=true", &exam)
        .await
        .expect(200);
    platform.received("all", 1).await;
    platform.settled().await;
    let deliveries = platform.get("/api/v1/deliveries?event_id=e1").await.expect(200);
    let delivery = deliveries["items"][0]["delivery_id"].as_str().unwrap();
    let delivery = platform
        .get(&format!("/api/v1/deliveries/{delivery}"))
        .await
        .expect(200);
    assert_eq!(delivery["attempt_log"][0]["code"], 200, "{delivery}");
    platform
        .send("POST", "/api/v1/tokens", &json!({"name": "other", "role": "admin"}))
        .await
        .expect(201);
    let now = platform.get("/api/v1/clock").await.expect(200)["now"].as_i64().unwrap();
    platform
        .send("POST", "/api/v1/clock", &json!({"now": now + 60_000}))
        .await
        .expect(200);
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 1}))
        .await
        .expect(200);
    for target in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/apps",
        &format!("/api/v1/apps/{APP}?reveal=true"),
        &format!("/api/v1/apps/{APP}/resource-subscriptions"),
        "/api/v1/bindings?limit=10",
        "/api/v1/bindings/account/7",
        "/api/v1/events?event_type=hire.eco_exam.created_v1&limit=1",
        "/api/v1/attempts?since=0",
        "/api/v1/events/e1",
        "/api/v1/event-types?match=hire.*",
        "/api/v1/event-types/hire.eco_exam.created_v1",
        "/api/v1/event-types/hire.eco_exam.created_v1/sample",
        "/api/v1/sessions",
        "/api/v1/open-api-calls",
        "/api/v1/tokens",
        "/api/v1/settings",
        "/api/v1/counters",
    ] {
        let answer = platform.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
    }
    let backup = platform.send("POST", "/api/v1/backup", &Value::Null).await;
    assert_eq!(backup.status, 200, "{backup:?}");
}

/// Asks an app that is not there, one that keeps silent, and one that answers.
async fn callbacks(platform: &Platform) {
    let call = json!({"event_type": "card.action.trigger", "event": {}, "app_id": APP});
    let drive = async |status: u16| platform.send("POST", "/api/v1/callbacks", &call).await.expect(status);
    drive(502).await;
    let _client = silent_once(platform).await;
    drive(504).await;
    let called = drive(200).await;
    assert_eq!(called["answer"], json!({"toast": {}}));
    let unknown = json!({"event_type": "card.action.triger", "event": {}});
    let refused = platform.send("POST", "/api/v1/callbacks", &unknown).await.expect(404);
    assert!(
        refused["hint"].as_str().unwrap().contains("card.action.trigger"),
        "{refused}"
    );
}

/// Pushes again what was pushed before.
async fn again(platform: &Platform) {
    let deliveries = platform.get("/api/v1/deliveries?event_id=e1").await.expect(200);
    let delivery = deliveries["items"][0]["delivery_id"].as_str().unwrap();
    for target in [
        "/api/v1/events/e1/resend",
        &format!("/api/v1/deliveries/{delivery}/resend"),
    ] {
        platform.send("POST", target, &Value::Null).await.expect(200);
        platform.settled().await;
    }
    let replay = json!({"from": 0, "to": i64::MAX, "event_type": "hire.*", "app_id": APP});
    let replay = platform.send("POST", "/api/v1/replays", &replay).await.expect(202);
    let recovery = json!({"since": 0, "state": "dead"});
    platform.send("POST", "/api/v1/recoveries", &recovery).await.expect(202);
    let job = format!("/api/v1/jobs/{}", replay["job_id"].as_str().unwrap());
    platform.get(&format!("{job}?wait_seconds=8")).await.expect(200);
    platform.send("DELETE", &job, &Value::Null).await.expect(200);
    platform.get("/api/v1/jobs").await.expect(200);
    platform.settled().await;
}

async fn conflicts(platform: &Platform) {
    wait_for("two backups at once", async || {
        let backup = || platform.send("POST", "/api/v1/backup", &Value::Null);
        let (one, other) = tokio::join!(backup(), backup());
        [one, other].into_iter().find(|answer| answer.status == 409)
    })
    .await;
    let same_id = json!({"name": "again", "kind": "custom", "app_id": APP});
    let refused = platform.send("POST", "/api/v1/apps", &same_id).await.expect(409);
    assert_eq!(refused["code"], "app_exists");
    let other_event = json!({"event_type": EXAM, "event": {"exam_id": "2", "account_id": "7"}, "event_id": "e1"});
    let refused = platform.send("POST", "/api/v1/events", &other_event).await.expect(409);
    assert_eq!(refused["code"], "event_id_conflict");
    let same_name = json!({"name": "other", "role": "admin"});
    platform.send("POST", "/api/v1/tokens", &same_name).await.expect(409);
    let unknown_type = json!({"event_type": "hire.eco_exam.create_v1", "event": {}});
    let refused = platform.send("POST", "/api/v1/events", &unknown_type).await.expect(404);
    assert!(refused["hint"].as_str().unwrap().contains(EXAM), "{refused}");
}

async fn removals(platform: &Platform) {
    for target in [
        &format!("/api/v1/apps/{APP}/resource-subscriptions/approval_instance/*"),
        "/api/v1/bindings/account/7",
        "/api/v1/tokens/other",
        &format!("/api/v1/apps/{APP}"),
    ] {
        let answer = platform.send("DELETE", target, &Value::Null).await;
        assert_eq!(answer.status, 204, "{target}: {answer:?}");
    }
}

/// Drives one operation to every refusal that does not depend on what is there.
async fn refusals(platform: &Platform, operation: &Operation, publisher: &str) {
    let Operation { method, path, statuses } = operation;
    let method = method.to_uppercase();
    let segments = path
        .split('/')
        .map(|segment| if segment.starts_with('{') { "nothing" } else { segment });
    let target = segments.collect::<Vec<_>>().join("/");
    let bodied = statuses.contains("413");
    let call = |target: &str| platform.call(&method, target).body(if bodied { "{}" } else { "" });
    let drive = async |target: &str, call: Call, status: u16| -> Answer {
        let answer = platform.checked(&method, target, call).await;
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        answer
    };
    if statuses.contains("421") {
        drive(&target, call(&target).header("host", "evil.example"), 421).await;
        drive(&target, call(&target).header("origin", "https://evil.example"), 403).await;
    }
    if statuses.contains("401") {
        drive(&target, call(&target).without("authorization"), 401).await;
        drive(&target, call(&target).token("wrong"), 401).await;
        let produces = ["/api/v1/events", "/api/v1/callbacks"].contains(&path.as_str());
        if !produces || method != "POST" {
            drive(&target, call(&target).token(publisher), 403).await;
        }
    }
    if bodied {
        drive(&target, call(&target).body("{"), 400).await;
        drive(&target, call(&target).body(vec![b' '; 2 * 1024 * 1024]), 413).await;
        let refused = drive(&target, call(&target).body(r#"{"nonsense":1}"#), 422)
            .await
            .json();
        assert!(refused["detail"].as_str().unwrap().contains("nonsense"), "{refused}");
    } else if statuses.contains("400") {
        let target = format!("{target}?nonsense=1");
        drive(&target, call(&target), 400).await;
    }
    if path.contains('{') {
        let body = if path.starts_with("/api/v1/bindings") {
            json!({"app_id": APP})
        } else {
            json!({})
        };
        let call = if bodied {
            call(&target).json(&body)
        } else {
            call(&target)
        };
        drive(&target, call, 404).await;
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(larkspur_server::openapi()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let names: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[tokio::test]
async fn without_a_movable_clock_there_is_no_clock() {
    let platform = Platform::with(|_, config| config.clock = None, None).await;
    let refused = platform.get("/api/v1/clock").await.expect(404);
    assert_eq!(refused["code"], "clock_not_movable");
    platform
        .send("POST", "/api/v1/clock", &json!({"now": 1}))
        .await
        .expect(404);
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 1}))
        .await
        .expect(404);
}

#[tokio::test]
async fn the_clock_moves_forward_only_and_never_by_more_than_a_year() {
    let platform = Platform::start().await;
    let refused = platform
        .send("POST", "/api/v1/clock", &json!({"now": 1}))
        .await
        .expect(422);
    assert_eq!(refused["path"], "now");
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 40_000_000}))
        .await
        .expect(422);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let platform = Platform::start().await;
    let missing = platform.get("/api/v1/nothing").await;
    assert_eq!(missing.expect(404)["code"], "path_not_found");
    let wrong = platform.send("PUT", "/api/v1/apps", &json!({})).await;
    assert_eq!(wrong.expect(405)["code"], "method_not_allowed");
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["refused"]["path_not_found"], 1, "{counters}");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let platform = Platform::start().await;
    platform
        .app(&json!({"name": "a", "kind": "custom", "app_id": APP}))
        .await;
    for id in ["1", "2", "3"] {
        platform
            .send(
                "PUT",
                &format!("/api/v1/bindings/account/{id}"),
                &json!({"app_id": APP}),
            )
            .await
            .expect(200);
        let event = json!({"event_type": EXAM, "event": {"exam_id": id}, "event_id": id, "app_id": APP});
        platform.publish(&event).await.expect(200);
    }
    for (list, member, order) in [
        ("bindings", "id", ["1", "2", "3"]),
        ("events", "event_id", ["3", "2", "1"]),
    ] {
        let mut seen = Vec::new();
        let mut target = format!("/api/v1/{list}?limit=2");
        loop {
            let page = platform.get(&target).await.expect(200);
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            target = format!("/api/v1/{list}?limit=2&after={next}");
        }
        assert_eq!(seen, order, "{list}");
        let refused = platform.get(&format!("/api/v1/{list}?after=nowhere")).await.expect(400);
        assert_eq!(refused["path"], "after", "{list}");
    }
}
