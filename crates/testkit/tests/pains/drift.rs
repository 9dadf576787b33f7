//! P13 and P14: payloads that are not as documented, and handlers that replace each other.

use std::sync::{Arc, Mutex};

use larkspur::events::hire::EcoExamCreatedV1;
use larkspur::{Event, Meta, RawEvent, Router, RouterError, State};
use larkspur_testkit::{DeliveryState, Fault};
use serde_json::{Value, json};

use crate::{EXAM, patient};

/// Types and payloads of events.
type Raws = Arc<Mutex<Vec<(String, Value)>>>;
type Exams = Arc<Mutex<Vec<(EcoExamCreatedV1, Value)>>>;

async fn keep(Event(exam): Event<EcoExamCreatedV1>, RawEvent(raw): RawEvent, State(exams): State<Exams>) {
    exams.lock().unwrap().push((exam, raw));
}

/// Sends the payload through the platform and gives back what a typed handler got.
async fn received(payload: Value, fault: Option<Fault>) -> (EcoExamCreatedV1, Value) {
    let (lab, exams) = (patient().await, Exams::default());
    if let Some(fault) = fault {
        lab.chaos().next(fault);
    }
    let _bot = lab.client(Router::new().on(keep).with_state(Arc::clone(&exams))).await;
    let body = json!({ "event_type": EXAM, "event": payload, "app_id": lab.app().id() });
    let event = lab.publish(&body).await.unwrap().event_id;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    exams.lock().unwrap().pop().unwrap()
}

/// P13, oapi-sdk-go#97: a number where text is declared is read, and is still a number in the raw payload.
#[tokio::test]
async fn number_for_string() {
    let (exam, raw) = received(json!({ "exam_id": "7160" }), Some(Fault::NumbersForText)).await;
    assert_eq!(exam.exam_id.as_deref(), Some("7160"));
    assert_eq!(raw["exam_id"], json!(7160));
}

/// P13, node-sdk#163: a field that nobody documented is kept.
#[tokio::test]
async fn unknown_field() {
    let (exam, raw) = received(json!({ "exam_id": "1", "grade": { "points": [3, 4] } }), None).await;
    assert_eq!(exam.extra["grade"], json!({ "points": [3, 4] }));
    assert_eq!(raw["grade"]["points"], json!([3, 4]));
}

/// P13, node-sdk#87: an event that the crate has no struct for reaches a raw handler, or the fallback.
#[tokio::test]
async fn unknown_event() {
    let (lab, seen) = (patient().await, Raws::default());
    let raw = async |RawEvent(raw): RawEvent, meta: Meta, State(seen): State<Raws>| {
        seen.lock().unwrap().push((meta.event_type, raw));
    };
    let router = Router::new()
        .on_raw(EXAM, raw)
        .fallback(raw)
        .with_state(Arc::clone(&seen));
    let _bot = lab.client(router).await;
    for event_type in [EXAM, "hire.eco_background_check.created_v1"] {
        let event = lab.trigger(event_type).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        let (seen_type, raw) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen_type, event_type);
        assert!(raw.is_object());
    }
}

/// P14, node-sdk#224: a second handler for a type is an error before anything is connected, not a silent replacement.
#[tokio::test]
async fn double_register() {
    let lab = patient().await;
    let twice = Router::new()
        .on(async |_: Event<EcoExamCreatedV1>| {})
        .on_raw(EXAM, async |_: Meta| {});
    let error = twice.check().unwrap_err();
    assert!(
        matches!(&error, RouterError::Twice { .. }) && error.to_string().contains(EXAM),
        "{error}"
    );
    assert!(lab.app().webhook(twice.clone()).is_err());
    assert!(lab.app().connect(twice).await.is_err());
    assert_eq!(lab.chaos().tally().lookups, 0);
}
