//! Publishing through the API: one, many, explained, refused.

use serde_json::{Value, json};

use crate::platform::{Platform, TENANT};

const EXAM: &str = "hire.eco_exam.created_v1";

fn exam(event_id: &str, exam_id: &str) -> Value {
    json!({"event_type": EXAM, "event_id": event_id, "app_id": "cli_aa", "event": {"exam_id": exam_id}})
}

/// A platform with one app, `cli_aa`, that receives exams in the inbox `exams`.
async fn platform() -> Platform {
    let platform = Platform::start().await;
    let events = json!({"mode": "webhook", "url": platform.inbox_url("exams"), "types": [EXAM]});
    let app = json!({"name": "a", "kind": "custom", "app_id": "cli_aa", "tenants": [TENANT],
        "scopes": ["hire:exam"], "events": events});
    platform.app(&app).await;
    platform
}

#[tokio::test]
async fn an_event_is_delivered_and_its_deliveries_are_in_the_answer_and_the_log() {
    let platform = platform().await;
    let published = platform.publish(&exam("e1", "1")).await.expect(200);
    assert_eq!(
        (&published["repeated"], &published["deliveries"][0]["app_id"]),
        (&json!(false), &json!("cli_aa"))
    );
    let pushed = &platform.received("exams", 1).await[0];
    assert_eq!(
        (&pushed["header"]["event_id"], &pushed["event"]),
        (&json!("e1"), &json!({"exam_id": "1"}))
    );
    platform.settled().await;
    let event = platform.get("/api/v1/events/e1").await.expect(200);
    let delivery = &event["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["attempts"]),
        (&json!("delivered"), &json!(1)),
        "{event}"
    );
    assert_eq!(delivery["delivery_id"], published["deliveries"][0]["delivery_id"]);
}

#[tokio::test]
async fn the_same_event_again_is_answered_the_same_and_another_under_its_id_is_a_conflict() {
    let platform = platform().await;
    let first = platform.publish(&exam("e1", "1")).await.expect(200);
    let again = platform.publish(&exam("e1", "1")).await.expect(200);
    assert_eq!(again["repeated"], true);
    assert_eq!(
        again["deliveries"][0]["delivery_id"],
        first["deliveries"][0]["delivery_id"]
    );
    let refused = platform.publish(&exam("e1", "2")).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["path"]),
        (&json!("event_id_conflict"), &json!("event_id"))
    );
}

#[tokio::test]
async fn an_event_of_an_app_that_is_gone_is_answered_as_the_first_time() {
    let platform = platform().await;
    let first = platform.publish(&exam("e1", "1")).await.expect(200);
    platform.received("exams", 1).await;
    platform
        .send("DELETE", "/api/v1/apps/cli_aa", &Value::Null)
        .await
        .expect(204);
    let again = platform.publish(&exam("e1", "1")).await.expect(200);
    assert_eq!(
        (&again["repeated"], &again["deliveries"][0]["delivery_id"]),
        (&json!(true), &first["deliveries"][0]["delivery_id"])
    );
    let code = async |event: &Value, status| platform.publish(event).await.expect(status)["code"].clone();
    assert_eq!(code(&exam("e1", "2"), 409).await, "event_id_conflict");
    assert_eq!(code(&exam("e2", "1"), 422).await, "unknown_app");
    assert_eq!(platform.get("/api/v1/events/e2").await.status.as_u16(), 404);
}

#[tokio::test]
async fn each_line_of_many_is_answered_for_itself_and_in_order() {
    let platform = platform().await;
    let wrong = json!({"event_type": EXAM, "app_id": "cli_aa", "event": {"exam_id": 7}});
    let lines = [
        exam("e1", "1").to_string(),
        "not JSON".to_owned(),
        wrong.to_string(),
        exam("e2", "2").to_string(),
    ];
    let target = "/api/v1/events";
    let call = platform
        .call("POST", target)
        .body(lines.join("\n"))
        .header("content-type", "application/x-ndjson");
    let answer = platform.checked("POST", target, call).await;
    assert_eq!(
        (answer.status.as_u16(), answer.content_type()),
        (200, "application/x-ndjson")
    );
    let lines: Vec<Value> = answer
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line["event_id"].as_str(), line["error"]["code"].as_str()))
        .collect();
    let expected = [
        (Some("e1"), None),
        (None, Some("not_json")),
        (None, Some("payload_mismatch")),
        (Some("e2"), None),
    ];
    assert_eq!(found, expected, "{lines:#?}");
    platform.received("exams", 2).await;
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["refused"]["not_json"], 1, "{counters}");
}

#[tokio::test]
async fn more_lines_than_allowed_are_refused_whole() {
    let platform = Platform::with(|settings, _| settings.publish.batch_max = 2, None).await;
    let lines = ["{}"; 3].join("\n");
    let call = platform
        .call("POST", "/api/v1/events")
        .body(lines)
        .header("content-type", "application/x-ndjson");
    let refused = platform.checked("POST", "/api/v1/events", call).await.expect(413);
    assert_eq!(refused["code"], "too_many_events");
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_refused_with_every_path_and_expectation() {
    let platform = platform().await;
    let event = json!({"exam_id": 7, "candidate_info": {"mobile": "none"}, "unknown": true});
    let refused = platform
        .publish(&json!({"event_type": EXAM, "app_id": "cli_aa", "event": event}))
        .await
        .expect(422);
    assert_eq!(refused["code"], "payload_mismatch");
    let errors = refused["errors"].as_array().unwrap();
    let mut paths: Vec<_> = errors.iter().map(|error| error["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["event.candidate_info.mobile", "event.exam_id"]);
    assert_eq!(
        errors.iter().find(|error| error["path"] == "event.exam_id").unwrap()["expected"],
        "string"
    );
}

#[tokio::test]
async fn what_cannot_be_published_is_told_apart_by_status_and_code() {
    let platform = platform().await;
    let large = "x".repeat(70 * 1024);
    for (body, status, code) in [
        ("{\"event_type\": ".to_owned(), 400, "not_json"),
        ("[]".to_owned(), 422, "malformed"),
        (json!({"event_type": EXAM}).to_string(), 422, "malformed"),
        (
            json!({"event_type": "no such type", "event": {}}).to_string(),
            422,
            "malformed",
        ),
        (
            json!({"event_type": "nothing.like_it", "event": {}}).to_string(),
            404,
            "unknown_event_type",
        ),
        (
            json!({"event_type": EXAM, "event": {}}).to_string(),
            422,
            "not_addressed",
        ),
        (
            json!({"event_type": EXAM, "event": {}, "app_id": "cli_bb"}).to_string(),
            422,
            "unknown_app",
        ),
        (
            json!({"event_type": EXAM, "event": {}, "create_time": "soon"}).to_string(),
            422,
            "bad_create_time",
        ),
        (
            json!({"event_type": EXAM, "event": {"exam_id": large}}).to_string(),
            413,
            "event_too_large",
        ),
        ("x".repeat(300 * 1024), 413, "body_too_large"),
    ] {
        let call = platform.call("POST", "/api/v1/events").body(body.clone());
        let refused = platform.checked("POST", "/api/v1/events", call).await.expect(status);
        assert_eq!(refused["code"], code, "{}", &body[..body.len().min(100)]);
        assert!(code == "body_too_large" || refused["hint"].is_string(), "{refused}");
    }
    let events = platform.get("/api/v1/events").await.expect(200);
    assert_eq!(events["items"], json!([]), "nothing that was refused was kept");
}

#[tokio::test]
async fn explaining_names_for_every_app_the_first_gate_and_the_fix() {
    let platform = platform().await;
    platform
        .app(&json!({"name": "bare", "kind": "custom", "app_id": "cli_bb", "tenants": [TENANT]}))
        .await;
    let job = json!({"event_type": "corehr.job_change.status_updated_v2", "event": {}});
    let published = platform.publish(&job).await.expect(200);
    let explained = published["explain"].as_array().unwrap();
    let gates: Vec<_> = explained
        .iter()
        .map(|one| (one["app_id"].as_str(), one["gate"].as_str()))
        .collect();
    assert_eq!(
        gates,
        [
            (Some("cli_aa"), Some("subscribed")),
            (Some("cli_bb"), Some("subscribed"))
        ]
    );
    assert!(
        explained
            .iter()
            .all(|one| one["fix"].is_string() && one["delivered"] == false)
    );
    assert_eq!(published["refused"]["subscribed"], 2);
    let unexplained = platform.send("POST", "/api/v1/events", &job).await.expect(200);
    assert_eq!(unexplained["explain"], Value::Null);
}

#[tokio::test]
async fn a_sample_is_published_as_it_is() {
    let platform = platform().await;
    let mut sample = platform
        .get(&format!("/api/v1/event-types/{EXAM}/sample"))
        .await
        .expect(200);
    sample["app_id"] = json!("cli_aa");
    platform.publish(&sample).await.expect(200);
    assert_eq!(platform.received("exams", 1).await[0]["event"], sample["event"]);
}
