//! Callbacks through the admin API, answered by our own SDK over a persistent connection and by webhook, and by
//! endpoints that misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larkspur::events::card::{ActionTrigger, ActionTriggerReply, ActionTriggerReplyToast, ActionTriggerReplyToastType};
use larkspur::{App, BoxError, Domain, Event, Json, Meta, Router, State, Transport};
use larkspur_wire::sign_card_v1;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::platform::{Platform, TENANT, wait_for};

const CARD: &str = "card.action.trigger";
const CARD_V1: &str = "card.action.trigger_v1";

/// A custom app that answers every callback in this mode.
async fn app(platform: &Platform, mode: &str) -> Value {
    let callbacks = json!({"mode": mode, "types": "all"});
    let app = json!({"name": mode, "kind": "custom", "tenants": [TENANT], "scopes": "all", "callbacks": callbacks});
    platform.app(&app).await
}

/// The app as the SDK wants it.
fn sdk(platform: &Platform, app: &Value) -> App {
    let text = |name: &str| app[name].as_str().unwrap_or_default();
    let domain = Domain::parse(&format!("http://{}", platform.addr)).unwrap();
    App::new(text("app_id"), text("app_secret"))
        .unwrap()
        .domain(domain)
        .encrypt_key(text("encrypt_key"))
        .verification_token(text("verification_token"))
}

/// Connects a client of the app and waits until it is online.
pub(crate) async fn connected(platform: &Platform, app: &Value, router: Router) -> Client {
    let connect = sdk(platform, app).connect(router).into_future();
    let task = tokio::spawn(async move { drop(connect.await) });
    wait_for("the client", async || {
        (!platform.engine.hub().sessions().is_empty()).then_some(())
    })
    .await;
    Client(task)
}

/// A client of an app, which goes when this is dropped.
pub(crate) struct Client(JoinHandle<()>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves an endpoint and makes it the app's request URL for callbacks.
async fn hooked(platform: &Platform, app: &Value, routes: axum::Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    platform
        .send("PATCH", &target, &json!({"callbacks": {"url": url}}))
        .await
        .expect(200);
}

/// An endpoint that answers challenges, and everything else by this function.
fn endpoint(answer: impl Fn(&HeaderMap, &str) -> Response + Clone + Send + Sync + 'static) -> axum::Router {
    let receive = async move |headers: HeaderMap, body: String| match serde_json::from_str::<Value>(&body) {
        Ok(sent) if sent["type"] == "url_verification" => {
            json!({"challenge": sent["challenge"]}).to_string().into_response()
        }
        _ => answer(&headers, &body),
    };
    axum::Router::new().route("/callback", axum::routing::post(receive))
}

fn tap(app: &Value) -> Value {
    let event = json!({
        "operator": {"open_id": "ou_1", "user_id": "u1"},
        "action": {"tag": "button", "value": {"answer": "42"}},
        "context": {"open_message_id": "om_1"},
    });
    json!({"event_type": CARD, "event": event, "app_id": app["app_id"]})
}

async fn on_tap(Event(tap): Event<ActionTrigger>, meta: Meta) -> Result<Json<ActionTriggerReply>, BoxError> {
    let value = tap.action.and_then(|action| action.value).ok_or("no value")?;
    let by = match meta.transport {
        Transport::Webhook => "webhook",
        _ => "connection",
    };
    let token = tap.token.ok_or("no token to change the card with")?;
    let toast = ActionTriggerReplyToast {
        r#type: Some(ActionTriggerReplyToastType::Success),
        content: Some(format!(
            "{} by {by}, token of {} characters",
            value["answer"],
            token.len()
        )),
        ..ActionTriggerReplyToast::default()
    };
    Ok(Json(ActionTriggerReply {
        toast: Some(toast),
        ..ActionTriggerReply::default()
    }))
}

#[tokio::test]
async fn a_callback_returns_the_handlers_toast() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let _client = connected(&platform, &app, Router::new().on(on_tap)).await;
    let called = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
    let toast = json!({"type": "success", "content": "\"42\" by connection, token of 34 characters"});
    assert_eq!(called["answer"], json!({"toast": toast}));
    assert_eq!(
        (&called["app_id"], &called["mode"], &called["misfits"]),
        (&app["app_id"], &json!("websocket"), &json!([]))
    );
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["engine"]["calls_answered"], 1, "{counters}");
}

#[tokio::test]
async fn a_callback_returns_the_handlers_toast_by_webhook_sealed_or_not() {
    for reset in [json!({}), json!({"reset": ["encrypt_key"]})] {
        let platform = Platform::start().await;
        let app = app(&platform, "webhook").await;
        let target = format!("/api/v1/apps/{}?reveal=true", app["app_id"].as_str().unwrap());
        if reset != json!({}) {
            platform.send("PATCH", &target, &reset).await.expect(200);
        }
        let app = platform.get(&target).await.expect(200);
        assert_eq!(app["encrypted"], reset != json!({}));
        let hook = sdk(&platform, &app).webhook(Router::new().on(on_tap)).unwrap();
        hooked(&platform, &app, axum::Router::new().route_service("/callback", hook)).await;
        let called = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
        let toast = &called["answer"]["toast"];
        assert_eq!(
            toast["content"], "\"42\" by webhook, token of 34 characters",
            "{called}"
        );
    }
}

#[tokio::test]
async fn a_handler_may_have_nothing_to_say() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let router = Router::new().on(async |_: Event<ActionTrigger>| {});
    let _client = connected(&platform, &app, router).await;
    let called = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
    assert_eq!(called["answer"], Value::Null);
}

#[tokio::test]
async fn callbacks_without_a_struct_are_answered_as_well() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let answer = async |meta: Meta| json!({"asked": meta.event_type, "at": meta.create_time});
    let router = Router::new()
        .on_raw("profile.view.get", answer)
        .on_raw("url.preview.get", answer);
    let _client = connected(&platform, &app, router).await;
    for event_type in ["profile.view.get", "url.preview.get"] {
        let body = json!({"event_type": event_type, "event": {}});
        let called = platform.send("POST", "/api/v1/callbacks", &body).await.expect(200);
        assert_eq!(called["answer"]["asked"], event_type, "{called}");
        assert!(called["answer"]["at"].is_i64(), "{called}");
    }
}

#[tokio::test]
async fn a_callback_that_takes_over_three_seconds_is_a_timeout_and_is_not_retried() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let never = async |_: Event<ActionTrigger>, State(runs): State<Arc<AtomicUsize>>| {
        runs.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    let router = Router::new().on(never).with_state(Arc::clone(&runs));
    let _client = connected(&platform, &app, router).await;
    let started = Instant::now();
    let refused = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(504);
    assert_eq!(
        (&refused["code"], &refused["feishu_code"]),
        (&json!("app_timed_out"), &json!(200_341))
    );
    let took = started.elapsed();
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );

    // Past every rung of the ladder; what is pushed after it shows that nothing was left to push before.
    platform
        .send("POST", "/api/v1/clock/advance", &json!({"seconds": 100_000}))
        .await
        .expect(200);
    let other = json!({"event_type": "url.preview.get", "event": {}, "app_id": app["app_id"]});
    platform.send("POST", "/api/v1/callbacks", &other).await.expect(200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    for list in ["/api/v1/events", "/api/v1/deliveries"] {
        let page = platform.get(list).await.expect(200);
        assert_eq!(page["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_callback_without_a_live_connection_says_so() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let refused = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(502);
    assert_eq!(refused["code"], "app_not_online");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains(app["app_id"].as_str().unwrap()) && detail.contains("no live persistent connection"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_handler_that_fails_is_the_apps_failure() {
    let platform = Platform::start().await;
    let app = app(&platform, "websocket").await;
    let fails = async |_: Event<ActionTrigger>| Err::<(), BoxError>("told to fail".into());
    let _client = connected(&platform, &app, Router::new().on(fails)).await;
    let refused = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(502);
    assert_eq!(
        (&refused["code"], &refused["feishu_code"]),
        (&json!("app_failed"), &json!(200_671))
    );
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["engine"]["calls_failed"], 1, "{counters}");
}

#[tokio::test]
async fn a_v1_card_callback_carries_its_own_signature() {
    let platform = Platform::start().await;
    let app = app(&platform, "webhook").await;
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    // Even an app with a key gets it in the clear: the SDKs agree on nothing else.
    platform
        .send("PATCH", &target, &json!({"verification_token": "vtoken"}))
        .await
        .expect(200);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let routes = endpoint(move |headers, body| {
        kept.lock().unwrap().push((headers.clone(), body.to_owned()));
        r#"{"elements":[]}"#.into_response()
    });
    hooked(&platform, &app, routes).await;
    platform
        .send("PATCH", &target, &json!({"encrypt_key": "a key"}))
        .await
        .expect(200);
    let event = json!({"open_id": "ou_1", "open_message_id": "om_1", "action": {"tag": "button", "value": {"a": "1"}}});
    let body = json!({"event_type": CARD_V1, "event": event, "app_id": app["app_id"]});
    let called = platform.send("POST", "/api/v1/callbacks", &body).await.expect(200);
    assert_eq!(called["answer"], json!({"elements": []}));
    let (headers, body) = seen.lock().unwrap().pop().unwrap();
    let text = |name: &str| headers[name].to_str().unwrap();
    let (timestamp, nonce) = (text("x-lark-request-timestamp"), text("x-lark-request-nonce"));
    let signature = sign_card_v1(timestamp, nonce, &"vtoken".into(), body.as_bytes());
    assert_eq!(text("x-lark-signature"), signature);
    let mut sent: Value = serde_json::from_str(&body).unwrap();
    let token = sent["token"].take();
    assert!(token.as_str().is_some_and(|token| token.starts_with("c-")), "{token}");
    let mut expected = event;
    (expected["tenant_key"], expected["token"]) = (TENANT.into(), Value::Null);
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_wrong_answer_is_told_with_the_code_that_feishu_shows() {
    let platform = Platform::with(|settings, _| settings.delivery.answer_bytes_max = 1_000, None).await;
    let app = app(&platform, "webhook").await;
    let next: Arc<Mutex<(u16, String)>> = Arc::default();
    let answer = Arc::clone(&next);
    let routes = endpoint(move |_, _| {
        let (status, body) = answer.lock().unwrap().clone();
        let location = [(header::LOCATION, "http://127.0.0.1:1/")];
        (StatusCode::from_u16(status).unwrap(), location, body).into_response()
    });
    hooked(&platform, &app, routes).await;
    let long = |length: usize| format!(r#"{{"x":"{}"}}"#, "y".repeat(length - 8));
    for (status, body, expected, shown) in [
        (500, "{}".to_owned(), "app_failed", 200_671),
        (302, "{}".to_owned(), "app_failed", 200_671),
        (204, String::new(), "app_failed", 200_671),
        (200, "success".to_owned(), "answer_not_understood", 200_672),
        (
            200,
            r#""no card.action.trigger event handle""#.to_owned(),
            "answer_not_understood",
            200_672,
        ),
        (200, "[]".to_owned(), "answer_not_understood", 200_672),
        (200, long(1_001), "answer_too_large", 200_672),
    ] {
        *next.lock().unwrap() = (status, body.clone());
        let refused = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(502);
        assert_eq!(
            (&refused["code"], &refused["feishu_code"]),
            (&json!(expected), &json!(shown)),
            "{status} {body}"
        );
        assert!(refused["hint"].is_string(), "{refused}");
    }
    for (body, answer) in [
        (String::new(), Value::Null),
        (" null ".to_owned(), Value::Null),
        ("{}".to_owned(), json!({})),
        (long(1_000), serde_json::from_str(&long(1_000)).unwrap()),
    ] {
        *next.lock().unwrap() = (200, body);
        let called = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
        assert_eq!(called["answer"], answer);
    }
    // Feishu's clients may refuse it, which is for the caller to know.
    *next.lock().unwrap() = (200, r#"{"toast":"done"}"#.to_owned());
    let called = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
    assert_eq!(
        called["misfits"],
        json!([{"path": "answer.toast", "expected": "object", "found": "a string"}])
    );
}

#[tokio::test]
async fn an_app_that_cannot_be_reached_is_told_with_the_code_that_feishu_shows() {
    let platform = Platform::start().await;
    let app = app(&platform, "webhook").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, endpoint(|_, _| "{}".into_response())).await });
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    let url = json!({"callbacks": {"url": format!("http://{addr}/callback")}});
    platform.send("PATCH", &target, &url).await.expect(200);
    platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(200);
    serving.abort();
    let _ = serving.await;
    wait_for("nobody listens", async || TcpListener::bind(addr).await.ok()).await;
    let refused = platform.send("POST", "/api/v1/callbacks", &tap(&app)).await.expect(502);
    let code = refused["code"].as_str().unwrap();
    // A connection that was kept may be found closed, or gone.
    assert!(["app_unreachable", "exchange_failed"].contains(&code), "{refused}");
    assert!(
        matches!(refused["feishu_code"].as_i64(), Some(200_342 | 200_080)),
        "{refused}"
    );
}

#[tokio::test]
async fn a_callback_that_nobody_may_answer_says_what_to_do() {
    let platform = Platform::start().await;
    let mut nobody = tap(&json!({"app_id": null}));
    let refused = platform.send("POST", "/api/v1/callbacks", &nobody).await.expect(422);
    assert_eq!(refused["code"], "no_app");
    let first = app(&platform, "webhook").await;
    let refused = platform.send("POST", "/api/v1/callbacks", &nobody).await.expect(422);
    assert_eq!(
        (&refused["code"], &refused["feishu_code"]),
        (&json!("not_subscribed"), &json!(200_340))
    );
    assert!(
        refused["hint"].as_str().unwrap().contains("request URL for callbacks"),
        "{refused}"
    );
    hooked(&platform, &first, endpoint(|_, _| "{}".into_response())).await;
    app(&platform, "websocket").await;
    let refused = platform.send("POST", "/api/v1/callbacks", &nobody).await.expect(422);
    assert_eq!(
        (&refused["code"], &refused["path"]),
        (&json!("ambiguous_app"), &json!("app_id"))
    );
    nobody["event"]["action"]["tag"] = 7.into();
    let refused = platform.send("POST", "/api/v1/callbacks", &nobody).await.expect(422);
    assert_eq!(refused["errors"][0]["path"], "event.action.tag", "{refused}");
}

#[tokio::test]
async fn events_and_callbacks_are_told_apart() {
    let platform = Platform::start().await;
    let event = json!({"event_type": "im.message.receive_v1", "event": {}});
    let refused = platform.send("POST", "/api/v1/callbacks", &event).await.expect(422);
    assert!(
        refused["hint"].as_str().unwrap().contains("/api/v1/events"),
        "{refused}"
    );
    let callback = json!({"event_type": CARD, "event": {}});
    let refused = platform.publish(&callback).await.expect(422);
    assert!(
        refused["hint"].as_str().unwrap().contains("/api/v1/callbacks"),
        "{refused}"
    );
}
