//! Every event type of the catalogue, published a few at once.

use std::collections::{BTreeMap, BTreeSet};

use larkspur_catalog::Catalog;
use serde_json::{Value, json};

use crate::http::request;
use crate::program::Running;

/// So many are pushed within the platform's deadline, however busy this machine is: no attempt may fail.
const AT_ONCE: usize = 16;

#[test]
fn every_event_type_reaches_an_app_that_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let _listening = Running::start(dir.path(), &["listen", "--json"]);
    dev.json(|line| line.get("session_opened").is_some());

    let lines: Vec<_> = Catalog::embedded()
        .iter()
        .map(|facts| {
            let event = json!({ "event_type": facts.event_type, "event": facts.sample() });
            format!("{event}\n")
        })
        .collect();
    assert_eq!(lines.len(), 252);
    for lines in lines.chunks(AT_ONCE) {
        all_arrive(&dev, &ready, lines);
    }
}

/// Publishes these events, and follows them until every app that takes them has them.
fn all_arrive(dev: &Running, ready: &Value, lines: &[String]) {
    let bearer = format!("Bearer {}", ready["admin_token"].as_str().unwrap());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/x-ndjson"),
    ];
    let url = ready["url"].as_str().unwrap();
    let (status, answer) = request(url, "POST /api/v1/events", &headers, &lines.concat());
    assert_eq!(status, 200, "{answer}");

    let published: Vec<Value> = answer
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(published.len(), lines.len());
    let deliveries = |event: &Value| event["deliveries"].as_array().map_or(0, Vec::len);
    let nowhere: Vec<_> = published.iter().filter(|event| deliveries(event) == 0).collect();
    assert!(nowhere.is_empty(), "{nowhere:?}");

    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for event in &published {
        left.insert(event["event_id"].as_str().unwrap().to_owned(), deliveries(event));
    }
    let mut failed = BTreeSet::new();
    while left.values().any(|left| *left > 0) {
        let attempted = dev.json(|line| line.get("attempted").is_some());
        if !attempted["error"].is_null() {
            failed.insert(attempted.to_string());
        }
        if let Some(left) = left.get_mut(attempted["attempted"].as_str().unwrap()) {
            *left -= 1;
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
