//! Pushing again: the same ids, the same deliveries, at a bounded rate.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::platform::{Platform, wait_for};

const CREATED: &str = "hire.eco_exam.created_v1";
const MESSAGE: &str = "im.message.receive_v1";

/// A platform that pushes so many a second again, and an app that receives two types in the inbox `app`.
async fn platform(per_second: u32) -> (Platform, String) {
    let platform = Platform::with(|settings, _| settings.again.per_second = per_second, None).await;
    let types = json!([CREATED, MESSAGE]);
    let app = platform.webhook_app("app", &json!("all"), &types).await;
    (platform, app["app_id"].as_str().unwrap().to_owned())
}

/// Sets whether anything is at the app's request URL.
async fn repair(platform: &Platform, app: &str, works: bool) {
    // The inbox answers the challenge; its owner moves it afterwards.
    let mode = if works { "webhook" } else { "websocket" };
    let change = json!({"events": {"mode": mode}});
    platform
        .send("PATCH", &format!("/api/v1/apps/{app}"), &change)
        .await
        .expect(200);
}

/// The event ids that came to the inbox, once there are so many.
async fn received(platform: &Platform, n: usize) -> Vec<String> {
    let bodies = platform.received("app", n).await;
    let id = |body: &Value| body["header"]["event_id"].as_str().unwrap().to_owned();
    bodies.iter().map(id).collect()
}

async fn start(platform: &Platform, target: &str, body: &Value) -> String {
    let job = platform.send("POST", target, body).await.expect(202);
    job["job_id"].as_str().unwrap().to_owned()
}

/// The job once it has ended.
async fn ended(platform: &Platform, job: &str) -> Value {
    wait_for("the job to end", async || {
        let job = platform
            .get(&format!("/api/v1/jobs/{job}?wait_seconds=5"))
            .await
            .expect(200);
        (job["state"] != "running").then_some(job)
    })
    .await
}

#[tokio::test]
async fn what_was_delivered_is_resent_under_the_same_id_as_another_attempt() {
    let (platform, app) = platform(100).await;
    platform.happen(&app, CREATED, "e1").await;
    let resent = platform
        .send("POST", "/api/v1/events/e1/resend", &Value::Null)
        .await
        .expect(200);
    assert_eq!(resent, json!({"resent": 1, "under_way": 0}));
    assert_eq!(received(&platform, 2).await, ["e1", "e1"]);
    platform.settled().await;
    let event = platform.get("/api/v1/events/e1").await.expect(200);
    let deliveries = event["deliveries"].as_array().unwrap();
    assert_eq!(
        (deliveries.len(), &deliveries[0]["attempts"]),
        (1, &json!(2)),
        "{event}"
    );
    let id = deliveries[0]["delivery_id"].as_str().unwrap();
    let target = format!("/api/v1/deliveries/{id}/resend");
    platform.send("POST", &target, &Value::Null).await.expect(200);
    assert_eq!(received(&platform, 3).await.len(), 3);
}

#[tokio::test]
async fn what_failed_is_recovered_and_what_was_delivered_is_left_alone() {
    let (platform, app) = platform(100).await;
    platform.happen(&app, CREATED, "fine").await;
    repair(&platform, &app, false).await;
    let broken_since = platform.now().await;
    for (event_type, id) in [(CREATED, "waiting"), (MESSAGE, "too")] {
        let event = json!({"event_type": event_type, "event": {}, "event_id": id, "app_id": app});
        platform.publish(&event).await.expect(200);
    }
    wait_for("both to have failed", async || {
        let feed = platform.get("/api/v1/attempts?since=0&state=pending").await.expect(200);
        (feed["items"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    repair(&platform, &app, true).await;
    let only = json!({"since": broken_since, "event_type": "im.*"});
    let job = start(&platform, "/api/v1/recoveries", &only).await;
    let job = ended(&platform, &job).await;
    assert_eq!((&job["state"], &job["resent"]), (&json!("done"), &json!(1)), "{job}");
    assert_eq!(received(&platform, 2).await, ["fine", "too"]);
    wait_for("it to be written down", async || {
        let too = platform.get("/api/v1/deliveries?event_id=too").await.expect(200);
        (too["items"][0]["state"] == "delivered").then_some(())
    })
    .await;
    let job = start(&platform, "/api/v1/recoveries", &json!({"since": 0, "app_id": app})).await;
    let job = ended(&platform, &job).await;
    assert_eq!((&job["kind"], &job["resent"]), (&json!("recovery"), &json!(1)), "{job}");
    assert_eq!(received(&platform, 3).await, ["fine", "too", "waiting"]);
}

#[tokio::test]
async fn dead_deliveries_are_recovered_by_their_state() {
    let (platform, app) = platform(100).await;
    repair(&platform, &app, false).await;
    let event = json!({"event_type": CREATED, "event": {}, "event_id": "dead", "app_id": app});
    platform.publish(&event).await.expect(200);
    wait_for("it to be given up", async || {
        platform.advance(6 * 3_600).await;
        let dead = platform.get("/api/v1/deliveries?state=dead").await.expect(200);
        (!dead["items"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    repair(&platform, &app, true).await;
    let job = start(&platform, "/api/v1/recoveries", &json!({"since": 0, "state": "dead"})).await;
    let job = ended(&platform, &job).await;
    assert_eq!(
        (&job["delivery_state"], &job["resent"]),
        (&json!("dead"), &json!(1)),
        "{job}"
    );
    assert_eq!(received(&platform, 1).await, ["dead"]);
}

#[tokio::test]
async fn a_part_of_the_log_is_replayed_oldest_first_to_who_had_it_then() {
    let (platform, app) = platform(1_000).await;
    platform.happen(&app, CREATED, "before").await;
    platform.advance(60).await;
    let from = platform.now().await;
    for n in 1..=3 {
        platform.happen(&app, MESSAGE, &format!("e{n}")).await;
        platform.advance(1).await;
    }
    let to = platform.now().await;
    platform.advance(60).await;
    platform.happen(&app, MESSAGE, "after").await;
    // An app that subscribes later has no delivery of what happened before.
    platform.webhook_app("late", &json!("all"), &json!([MESSAGE])).await;
    let job = start(
        &platform,
        "/api/v1/replays",
        &json!({"from": from, "to": to, "event_type": "im.*"}),
    )
    .await;
    let job = ended(&platform, &job).await;
    assert_eq!((&job["kind"], &job["resent"]), (&json!("replay"), &json!(3)), "{job}");
    assert_eq!((&job["reached_at"], &job["to"]), (&json!(to), &json!(to)), "{job}");
    let mut replayed = received(&platform, 8).await.split_off(5);
    replayed.sort_unstable();
    assert_eq!(replayed, ["e1", "e2", "e3"]);
    assert!(platform.received("late", 0).await.is_empty());
}

#[tokio::test]
async fn jobs_share_a_rate_are_listed_and_can_be_cancelled() {
    let (platform, app) = platform(2).await;
    for n in 1..=4 {
        platform.happen(&app, MESSAGE, &format!("e{n}")).await;
    }
    let all = json!({"from": 0, "to": i64::MAX});
    let began = Instant::now();
    let first = start(&platform, "/api/v1/replays", &all).await;
    let first = ended(&platform, &first).await;
    // The first goes at once, each of the others half a second after the one before.
    assert_eq!(first["resent"], 4);
    assert!(began.elapsed() >= Duration::from_millis(1_400), "{:?}", began.elapsed());
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(start(&platform, "/api/v1/replays", &all).await);
    }
    let refused = platform.send("POST", "/api/v1/replays", &all).await;
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert_eq!(refused.expect(429)["code"], "too_many_jobs");
    let listed = platform.get("/api/v1/jobs").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 5, "{listed}");
    for job in &running {
        let target = format!("/api/v1/jobs/{job}");
        let cancelled = platform.send("DELETE", &target, &Value::Null).await.expect(200);
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        assert!(cancelled["ended_at"].is_i64());
    }
    start(&platform, "/api/v1/replays", &all).await;
}

#[tokio::test]
async fn what_cannot_be_pushed_again_is_refused_with_its_path() {
    let (platform, _) = platform(100).await;
    for (target, body, path) in [
        ("replays", json!({"from": 5, "to": 5}), "from"),
        ("replays", json!({"from": i64::MAX, "to": i64::MAX}), "from"),
        (
            "replays",
            json!({"from": 0, "to": 5, "event_type": "im[a]"}),
            "event_type",
        ),
        ("recoveries", json!({"since": 0, "state": "delivered"}), "state"),
        ("recoveries", json!({"since": 0, "app_id": "mine"}), "app_id"),
    ] {
        let refused = platform
            .send("POST", &format!("/api/v1/{target}"), &body)
            .await
            .expect(422);
        assert_eq!(refused["path"], path, "{refused}");
    }
    platform.get("/api/v1/jobs/0?wait_seconds=9").await.expect(400);
}
