//! Store apps: the ticket is kept, and tenants' tokens are fetched with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larkspur::events::url::PreviewGet;
use larkspur::{Event, Meta, RawEvent, Router, State, TokenError, UrlPreviewReply};
use larkspur_testkit::{TENANT, TestPlatform};
use serde_json::{Value, json};

#[tokio::test]
async fn a_store_app_gets_a_token_for_each_tenant() {
    let platform = TestPlatform::start().await;
    let app = platform.add_store_app().await;
    let tokens = platform.credentials(&app).store_tokens().unwrap();
    platform.serve(&app, tokens.keep_ticket(Router::new())).await;
    // No ticket has come yet, so the platform is asked for one.
    let token = tokens.tenant(TENANT).await.unwrap();
    assert!(token.expose().starts_with("t-"), "it is a tenant's token");
    assert!(tokens.ticket().is_some());
    let (first, second) = tokio::join!(tokens.tenant(TENANT), tokens.tenant(TENANT));
    assert!(first.unwrap() == token && second.unwrap() == token, "it is kept");
    let stranger = tokens.tenant("2ca1d211f64f0000").await.unwrap_err();
    assert!(
        matches!(stranger, TokenError::Refused { code: 10_014, .. }),
        "{stranger}"
    );
    assert!(stranger.to_string().contains("is not installed"), "{stranger}");
}

#[tokio::test]
async fn a_ticket_that_is_too_old_is_replaced() {
    let platform = TestPlatform::start().await;
    let app = platform.add_store_app().await;
    let tokens = platform.credentials(&app).store_tokens().unwrap();
    tokens.set_ticket("an old ticket");
    platform.serve(&app, tokens.keep_ticket(Router::new())).await;
    assert!(tokens.app().await.is_ok());
    assert!(tokens.ticket().is_some_and(|ticket| !ticket.matches("an old ticket")));
}

#[tokio::test]
async fn a_custom_app_is_told_that_it_has_no_ticket() {
    let platform = TestPlatform::start().await;
    let tokens = platform.app().store_tokens().unwrap();
    let refused = tokens.tenant(TENANT).await.unwrap_err();
    assert!(matches!(refused, TokenError::Refused { code: 10_016, .. }), "{refused}");
}

type Seen = Arc<AtomicUsize>;

async fn on_link(Event(link): Event<PreviewGet>) -> UrlPreviewReply {
    let url = link.context.and_then(|context| context.url).unwrap_or_default();
    UrlPreviewReply::title(url)
}

async fn on_profile(RawEvent(_): RawEvent, State(seen): State<Seen>) -> Value {
    seen.fetch_add(1, Ordering::AcqRel);
    json!({ "shown": true })
}

async fn on_old_click(RawEvent(click): RawEvent, meta: Meta) -> Value {
    json!({ "header": { "title": click["open_id"], "tenant": meta.tenant_key } })
}

/// The same three handlers answer over a connection and by webhook; the old callback comes by webhook only.
#[tokio::test]
async fn callbacks_are_answered_over_both_transports() {
    let platform = TestPlatform::start().await;
    let seen = Seen::default();
    let router = Router::new()
        .on(on_link)
        .on_raw("profile.view.get", on_profile)
        .on_raw("card.action.trigger_v1", on_old_click)
        .with_state(Arc::clone(&seen));
    let _client = platform.client(router.clone()).await;
    let link = json!({ "context": { "url": "https://example.com/7" } });
    let preview = json!({ "inline": { "title": "https://example.com/7" } });
    let called = platform.call("url.preview.get", &link).await.unwrap();
    assert_eq!(called.answer.as_ref(), Some(&preview));
    let called = platform
        .call("profile.view.get", &json!({ "any": "thing" }))
        .await
        .unwrap();
    assert_eq!(
        (called.answer, seen.load(Ordering::Acquire)),
        (Some(json!({ "shown": true })), 1)
    );
    for encrypted in [true, false] {
        let app = platform.add_webhook_app(encrypted).await;
        platform.serve(&app, router.clone()).await;
        let called = platform.call_app(&app, "url.preview.get", &link).await.unwrap();
        assert_eq!(called.answer.as_ref(), Some(&preview));
        let click = json!({ "open_id": "ou_1", "action": { "tag": "button" } });
        let called = platform.call_app(&app, "card.action.trigger_v1", &click).await.unwrap();
        let header = json!({ "title": "ou_1", "tenant": TENANT });
        assert_eq!(called.answer, Some(json!({ "header": header })));
    }
}
