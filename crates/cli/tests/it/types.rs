//! Every event type of the catalogue, published at once.

use std::collections::BTreeSet;

use larkspur_catalog::Catalog;
use serde_json::{Value, json};

use crate::http::request;
use crate::program::Running;

#[test]
fn every_event_type_reaches_an_app_that_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let _listening = Running::start(dir.path(), &["listen", "--json"]);
    dev.json(|line| line.get("session_opened").is_some());

    let catalog = Catalog::embedded();
    assert_eq!(catalog.iter().count(), 252);
    let lines = catalog.iter().map(|facts| {
        let event = json!({ "event_type": facts.event_type, "event": facts.sample() });
        format!("{event}\n")
    });
    let bearer = format!("Bearer {}", ready["admin_token"].as_str().unwrap());
    let url = ready["url"].as_str().unwrap();
    let send = |line: &str, content_type: &str, body: &str| {
        let headers = [("Authorization", &*bearer), ("Content-Type", content_type)];
        request(url, line, &headers, body)
    };
    let lines: String = lines.collect();
    let (status, answer) = send("POST /api/v1/events", "application/x-ndjson", &lines);
    assert_eq!(status, 200, "{answer}");

    let published: Vec<Value> = answer
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(published.len(), 252);
    let deliveries = |event: &Value| event["deliveries"].as_array().map_or(0, Vec::len);
    let nowhere: Vec<_> = published.iter().filter(|event| deliveries(event) == 0).collect();
    assert!(nowhere.is_empty(), "{nowhere:?}");

    let mut left = BTreeSet::new();
    for event in &published {
        for delivery in event["deliveries"].as_array().unwrap() {
            left.insert((text(&event["event_id"]), text(&delivery["app_id"])));
        }
    }
    while !left.is_empty() {
        let attempted = dev.json(|line| line.get("attempted").is_some());
        if attempted["error"].is_null() {
            left.remove(&(text(&attempted["attempted"]), text(&attempted["app_id"])));
            continue;
        }
        // On a busy machine some answers come late; those deliveries are tried again, and that is now.
        assert!(is_late(&attempted), "{attempted}");
        let (_, clock) = send("GET /api/v1/clock", "application/json", "");
        let clock: Value = serde_json::from_str(&clock).unwrap();
        let until_next_ms = attempted["next_try"].as_i64().unwrap() - clock["now"].as_i64().unwrap();
        let advance = json!({ "seconds": until_next_ms.max(0) / 1_000 + 1 }).to_string();
        let (status, answer) = send("POST /api/v1/clock/advance", "application/json", &advance);
        assert_eq!(status, 200, "{answer}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Whether an attempt failed only because its time was over.
fn is_late(attempted: &Value) -> bool {
    let late = ["no connection within", "no answer within", "no ack within"];
    late.iter().any(|error| text(&attempted["error"]).starts_with(error))
}
