//! P9: card callbacks.

use larkspur::events::card::{ActionTrigger, ActionTriggerReply, ActionTriggerReplyToast};
use larkspur::{Event, Json, Router, State};
use larkspur_testkit::TestPlatform;
use serde_json::json;

use crate::Gate;

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

async fn too_late(_: Event<ActionTrigger>, State(gate): State<Gate>) {
    gate.pass().await;
}

/// P9, oapi-sdk-python#126: card callbacks reach one handler by either mode, and its answer comes back in the right
/// bytes; an answer that is late is what Feishu shows as 200341.
#[tokio::test]
async fn card_both_transports() {
    let lab = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 3_000).await;
    let router = Router::new().on(on_tap);
    let tap = json!({ "action": { "name": "批准 \"now\"" } });
    let answer = Some(json!({ "toast": { "content": "批准 \"now\"" } }));
    let bot = lab.client(router.clone()).await;
    let by_connection = lab.call("card.action.trigger", &tap).await.unwrap();
    assert_eq!(by_connection.answer, answer);
    bot.stop().await;
    for encrypted in [true, false] {
        let app = lab.add_webhook_app(encrypted).await;
        lab.serve(&app, router.clone()).await;
        let by_webhook = lab.call_app(&app, "card.action.trigger", &tap).await.unwrap();
        assert_eq!(by_webhook.answer, answer);
    }
    let gate = Gate::shut();
    let _bot = lab.client(Router::new().on(too_late).with_state(gate.clone())).await;
    let late = lab.call("card.action.trigger", &tap).await.unwrap_err();
    assert_eq!(late.feishu_code(), Some(200_341), "{late}");
    gate.open(1);
}
