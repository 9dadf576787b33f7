//! Bad items among good ones: each is answered for itself, and no other producer's commit is touched by them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::api::{Api, EVENT_TYPE, TENANT, event};
use crate::process::Launch;
use crate::sink::Sink;
use crate::until;

const PRODUCERS: usize = 4;
const ROUNDS: usize = 40;

async fn good(api: Api, producer: usize) {
    for n in 0..ROUNDS {
        let (status, answer) = api.publish(&event(&format!("good-{producer}-{n}"))).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

/// One good line among everything that a line can have wrong.
async fn bad(api: Api, producer: usize) {
    let mut conflict = event("taken");
    conflict["event"]["name"] = "another".into();
    let lines = |n: usize| {
        [
            "no JSON".to_owned(),
            json!({ "event_type": "no.such_v1", "event": {}, "tenant_key": TENANT }).to_string(),
            json!({ "event_type": EVENT_TYPE, "event": { "chat_id": 7 }, "tenant_key": TENANT }).to_string(),
            conflict.to_string(),
            event(&format!("among-{producer}-{n}")).to_string(),
            json!({ "event_type": EVENT_TYPE, "event": {} }).to_string(),
        ]
    };
    let codes = [
        "not_json",
        "unknown_event_type",
        "payload_mismatch",
        "event_id_conflict",
        "",
        "no_tenant",
    ];
    for n in 0..ROUNDS {
        let body = Bytes::from(lines(n).join("\n"));
        let sent = api
            .call(Method::POST, "/api/v1/events", "application/x-ndjson", body)
            .await;
        let (status, answer) = sent.unwrap();
        assert_eq!(status, 200);
        let answers = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let answers: Vec<Value> = answers.map(|line| serde_json::from_slice(line).unwrap()).collect();
        let found: Vec<_> = answers
            .iter()
            .map(|answer| answer["error"]["code"].as_str().unwrap_or(""))
            .collect();
        assert_eq!(found, codes, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_items_fail_for_themselves_and_no_other_producers_commit() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::serve(dir.path(), "[delivery]\nallow_private_addresses = true").start();
    let (api, sink) = (&platform.api, Sink::taking().await);
    api.create_app("sink", &sink.url).await;
    api.publish(&event("taken")).await.unwrap();
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..PRODUCERS {
        producers.spawn(good(api.clone(), producer));
        producers.spawn(bad(api.clone(), producer));
    }
    producers.join_all().await;
    // Its own, the good lines among bad ones, and the one whose id was taken.
    let n_accepted = 2 * PRODUCERS * ROUNDS + 1;
    until("all that was accepted arrives", async || sink.n_taken() == n_accepted).await;
    assert_eq!(sink.seen().len(), n_accepted);
    let refused = api.refused("event_id_conflict").await;
    assert_eq!(refused, (PRODUCERS * ROUNDS) as u64);
}
