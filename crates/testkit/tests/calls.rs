//! A test of somebody's card handler, as they would write it.

use larkspur::events::card::{ActionTrigger, ActionTriggerReply, ActionTriggerReplyToast};
use larkspur::{Event, Json, Router};
use larkspur_testkit::TestPlatform;
use serde_json::json;

async fn on_tap(Event(tap): Event<ActionTrigger>) -> Json<ActionTriggerReply> {
    let toast = ActionTriggerReplyToast {
        content: tap.action.and_then(|action| action.name),
        ..ActionTriggerReplyToast::default()
    };
    Json(ActionTriggerReply {
        toast: Some(toast),
        ..ActionTriggerReply::default()
    })
}

#[tokio::test]
async fn a_callback_returns_what_the_handler_answers() {
    let platform = TestPlatform::start().await;
    let client = platform.app().connect(Router::new().on(on_tap)).into_future();
    let client = tokio::spawn(client);
    platform.online(1).await;
    let tap = json!({ "action": { "name": "approve" } });
    let called = platform.call("card.action.trigger", &tap).await.expect("an answer");
    assert_eq!(called.answer, Some(json!({ "toast": { "content": "approve" } })));
    client.abort();
    platform.online(0).await;
    let offline = platform
        .call("card.action.trigger", &tap)
        .await
        .expect_err("nobody is there");
    assert_eq!(offline.code(), "app_not_online");
}
