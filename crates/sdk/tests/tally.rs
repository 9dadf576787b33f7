//! What became of events is counted, and so is what drifts.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use bytes::Bytes;
use http::Request;
use larkspur::events::{EventType, Schema};
use larkspur::{BoxError, Delivery, Event, Router, Webhook};
use serde_json::{Value, json};

/// An event whose struct has one field.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Door {
    door: Option<String>,
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, Value>,
}

impl EventType for Door {
    const KEY: &'static str = "acs.door.opened_v1";
    const SCHEMA: Schema = Schema::V2;
    type Reply = ();

    fn read(json: &str) -> serde_json::Result<(Self, usize)> {
        let door: Self = serde_json::from_str(json)?;
        let drift = door.more.len();
        Ok((door, drift))
    }

    fn drift(&self) -> Vec<String> {
        self.more.keys().cloned().collect()
    }
}

async fn post(hook: &Webhook, id: &str, event_type: &str, event: Value) {
    let header = json!({ "event_id": id, "event_type": event_type, "token": "token", "app_id": "cli_1" });
    let body = json!({ "schema": "2.0", "header": header, "event": event }).to_string();
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    hook.handle(&head, Bytes::from(body)).await;
}

async fn fail(_: Delivery) -> Result<(), BoxError> {
    Err("on purpose".into())
}

#[tokio::test]
async fn each_event_is_counted_by_what_became_of_it() {
    let router = Router::new().on(async |_: Event<Door>| {}).on_raw("a.failed_v1", fail);
    let tally = router.tally();
    let hook = Webhook::with_token("token", router).unwrap();
    post(&hook, "e1", Door::KEY, json!({ "door": "north" })).await;
    post(&hook, "e1", Door::KEY, json!({ "door": "north" })).await;
    post(&hook, "e2", "a.failed_v1", json!({})).await;
    post(&hook, "e3", "nobody.handles_v1", json!({})).await;
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    hook.handle(&head, "no event".into()).await;
    let counted = (
        tally.handled(),
        tally.repeated(),
        tally.failed(),
        tally.unhandled(),
        tally.refused(),
    );
    assert_eq!(counted, (1, 1, 1, 1, 1));
    assert_eq!(tally.drifted(), 0);
}

#[tokio::test]
async fn members_without_a_place_are_counted() {
    let router = Router::new().on(async |event: Event<Door>, delivery: Delivery| {
        assert_eq!(delivery.drift(), event.more.keys().cloned().collect::<Vec<_>>());
    });
    let tally = router.tally();
    let hook = Webhook::with_token("token", router).unwrap();
    post(
        &hook,
        "e1",
        Door::KEY,
        json!({ "door": "north", "lock": 1, "wing": "b" }),
    )
    .await;
    post(&hook, "e2", Door::KEY, json!({ "lock": 2 })).await;
    assert_eq!((tally.handled(), tally.drifted()), (2, 3));
}
