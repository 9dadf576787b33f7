//! The metrics: who may read them, that they are in Prometheus' format, and that they move when something happens.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Call;
use crate::platform::Platform;

const EXAM: &str = "hire.eco_exam.created_v1";

/// Every sample by its name and labels, after the text was held against the format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut family = ("", "");
    let mut helped = "";
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            helped = name;
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "help comes before the type");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kind != "histogram" || name.ends_with("_seconds"), "{line}");
            family = (name, kind);
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let suffix = name
            .strip_prefix(family.0)
            .unwrap_or_else(|| panic!("{line} is not of {family:?}"));
        let suffixes: &[_] = if family.1 == "histogram" {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        assert!(suffixes.contains(&suffix), "{line}");
        let before = samples.insert(sample.to_owned(), value.parse().unwrap());
        assert!(before.is_none(), "{line} comes twice");
    }
    samples
}

/// All samples as of now.
pub(crate) async fn scrape(platform: &Platform) -> BTreeMap<String, f64> {
    let answer = platform.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    samples(std::str::from_utf8(&answer.body).unwrap())
}

#[tokio::test]
async fn every_step_of_an_event_moves_its_metric() {
    let platform = Platform::start().await;
    platform
        .webhook_app("taker", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    let before = scrape(&platform).await;
    let event = json!({"event_type": EXAM, "event": {"exam_id": "1", "account_id": "7"}, "event_id": "e1"});
    let bound = json!({"app_id": app_id(&platform)});
    platform
        .send("PUT", "/api/v1/bindings/account/7", &bound)
        .await
        .expect(200);
    platform.publish(&event).await.expect(200);
    platform.received("taker", 1).await;
    platform.settled().await;
    platform.publish(&event).await.expect(200);
    let mut other = event.clone();
    other["event"]["exam_id"] = json!("2");
    platform.publish(&other).await.expect(409);
    platform.publish(&json!({"event_type": "no.such"})).await.expect(422);
    let after = scrape(&platform).await;
    let moved = |sample: &str| after[sample] - before[sample];
    for (sample, by) in [
        ("larkspur_events_accepted_total", 1.0),
        ("larkspur_events_repeated_total", 1.0),
        ("larkspur_events_refused_total", 1.0),
        ("larkspur_deliveries_total", 1.0),
        ("larkspur_deliveries_delivered_total", 1.0),
        ("larkspur_deliveries_retried_total", 0.0),
        (
            "larkspur_push_attempts_total{mode=\"webhook\",outcome=\"delivered\"}",
            1.0,
        ),
        (
            "larkspur_push_attempts_total{mode=\"websocket\",outcome=\"delivered\"}",
            0.0,
        ),
        ("larkspur_push_seconds_count{mode=\"webhook\"}", 1.0),
        ("larkspur_accept_seconds_count", 3.0),
        ("larkspur_delivery_seconds_count", 1.0),
        ("larkspur_delivery_seconds_bucket{le=\"+Inf\"}", 1.0),
    ] {
        assert!((moved(sample) - by).abs() < 0.1, "{sample} moved by {}", moved(sample));
    }
    for sample in [
        "larkspur_store_commit_seconds_count",
        "larkspur_store_commit_seconds_sum",
    ] {
        assert!(moved(sample) > 0.0, "{sample}");
    }
    assert!(after["larkspur_requests_refused_total{code=\"event_id_conflict\"}"] > 0.0);
    assert!(after["process_start_time_seconds"] > 1.6e9);
    assert!(after["larkspur_connections_open"] >= 1.0);
    #[cfg(target_os = "linux")]
    for sample in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(after[sample] > 0.0, "{sample}");
    }
}

fn app_id(platform: &Platform) -> String {
    platform.engine.apps().iter().next().unwrap().id.to_string()
}

#[tokio::test]
async fn what_fails_is_counted_by_whose_fault_it_is() {
    let platform = Platform::with(|settings, _| settings.delivery.retry_seconds = vec![3_600], None).await;
    let app = platform
        .webhook_app("nobody", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    let id = app["app_id"].as_str().unwrap();
    let offline = json!({"events": {"mode": "websocket", "types": [EXAM]}});
    platform
        .send("PATCH", &format!("/api/v1/apps/{id}"), &offline)
        .await
        .expect(200);
    let event = json!({"event_type": EXAM, "event": {}, "event_id": "e1", "app_id": id});
    platform.publish(&event).await.expect(200);
    let not_sent = "larkspur_push_attempts_total{mode=\"websocket\",outcome=\"not_sent\"}";
    crate::platform::wait_for("a push that goes nowhere", async || {
        let samples = scrape(&platform).await;
        let counted = samples[not_sent] > 0.0 && samples["larkspur_deliveries_retried_total"] > 0.0;
        counted.then_some(())
    })
    .await;
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 3_601}))
        .await
        .expect(200);
    crate::platform::wait_for("the delivery to be given up", async || {
        (scrape(&platform).await["larkspur_deliveries_dead_total"] > 0.0).then_some(())
    })
    .await;
    // What is on disk is counted every few seconds only.
    crate::platform::wait_for("the dead delivery to be counted", async || {
        let samples = scrape(&platform).await;
        let one_is_dead = (samples["larkspur_deliveries_dead"] - 1.0).abs() < 0.1;
        (one_is_dead && samples["larkspur_deliveries_pending"] < 0.1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_shown_by_app_with_how_long_it_has_been_due() {
    let platform = Platform::start().await;
    let app = platform
        .webhook_app("paused", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    let id = app["app_id"].as_str().unwrap();
    let paused = json!({"delivery": {"paused": true}});
    platform
        .send("PATCH", &format!("/api/v1/apps/{id}"), &paused)
        .await
        .expect(200);
    let event = json!({"event_type": EXAM, "event": {}, "app_id": id});
    platform.publish(&event).await.expect(200);
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 600}))
        .await
        .expect(200);
    crate::platform::wait_for("a delivery that has been due for long", async || {
        let samples = scrape(&platform).await;
        let of_app = |name: &str| samples.get(&format!("{name}{{app_id=\"{id}\"}}")).copied();
        let overdue = of_app("larkspur_app_overdue_seconds")? > 599.0;
        (overdue && of_app("larkspur_app_deliveries_pending")? > 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_of_the_role_metrics_reads_them_and_nothing_else() {
    let platform = Platform::start().await;
    let token = async |role: &str| {
        let made = json!({"name": role, "role": role});
        let made = platform.send("POST", "/api/v1/tokens", &made).await.expect(201);
        made["token"].as_str().unwrap().to_owned()
    };
    let (metrics, publish) = (token("metrics").await, token("publish").await);
    let call = |target: &str, token: &str| platform.call("GET", target).token(token);
    assert_eq!(call("/metrics", &metrics).send().await.status, 200);
    for (target, token) in [("/metrics", &publish), ("/api/v1/apps", &metrics)] {
        let refused = call(target, token).send().await.expect(403);
        assert_eq!(refused["code"], "role_not_allowed", "{target}");
    }
    let event = platform.call("POST", "/api/v1/events").token(&metrics).json(&json!({}));
    event.send().await.expect(403);
    let nobody = Call::new(platform.addr, "GET", "/metrics").send().await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn public_metrics_need_no_token_and_hold_no_secret() {
    let platform = Platform::with(|settings, _| settings.metrics.public = true, None).await;
    let app = platform.webhook_app("taker", &json!("all"), &json!("all")).await;
    let answer = Call::new(platform.addr, "GET", "/metrics").send().await;
    assert_eq!(answer.status, 200);
    let text = std::str::from_utf8(&answer.body).unwrap();
    for secret in ["app_secret", "verification_token"] {
        let Value::String(secret) = &app[secret] else {
            panic!("{app}")
        };
        assert!(!text.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn every_metric_is_explained_to_operators() {
    let platform = Platform::start().await;
    let answer = platform.get("/metrics").await;
    let text = std::str::from_utf8(&answer.body).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let explained = include_str!("../../../../docs/operations.md");
    let missing: Vec<_> = names.filter(|name| !explained.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}
