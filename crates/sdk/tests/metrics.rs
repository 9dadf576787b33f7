//! The `metrics` crate is told what a tally counts.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::Request;
use larkspur::{Delivery, Router, Webhook};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Keeps counters and the names of histograms.
#[derive(Default)]
struct Kept {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    histograms: Mutex<Vec<String>>,
}

fn shown(key: &Key) -> String {
    let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
    format!("{} {}", key.name(), labels.collect::<Vec<_>>().join(" "))
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(shown(key)).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.histograms.lock().unwrap().push(shown(key));
        Histogram::noop()
    }
}

async fn push(hook: &Webhook, body: &'static str) {
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    hook.handle(&head, body.into()).await;
}

#[test]
fn events_refusals_and_times_become_metrics() {
    let (kept, runtime) = (
        Kept::default(),
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
    );
    metrics::with_local_recorder(&kept, || {
        runtime.block_on(async {
            let router = Router::new().on_raw("a.kept_v1", async |_: Delivery| {});
            let hook = Webhook::with_token("token", router).unwrap();
            push(
                &hook,
                r#"{"header":{"event_id":"e1","event_type":"a.kept_v1","token":"token"}}"#,
            )
            .await;
            push(
                &hook,
                r#"{"header":{"event_id":"e2","event_type":"b.other_v1","token":"token"}}"#,
            )
            .await;
            push(
                &hook,
                r#"{"header":{"event_id":"e3","event_type":"a.kept_v1","token":"a guess"}}"#,
            )
            .await;
        });
    });
    let counters = kept.counters.into_inner().unwrap();
    let counted = counters
        .iter()
        .map(|(name, count)| (name.as_str(), count.load(Ordering::Relaxed)));
    let expected = [
        ("larkspur_events_total event_type=a.kept_v1 outcome=handled", 1),
        ("larkspur_events_total event_type=b.other_v1 outcome=unhandled", 1),
        ("larkspur_webhook_refused_total step=token", 1),
    ];
    assert_eq!(counted.collect::<Vec<_>>(), expected);
    assert_eq!(
        kept.histograms.into_inner().unwrap(),
        ["larkspur_handler_seconds event_type=a.kept_v1"]
    );
}
