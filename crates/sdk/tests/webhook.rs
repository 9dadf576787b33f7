//! The webhook against requests as the platform sends them, and as others might.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use larkspur::{App, BoxError, Delivery, Meta, RawEvent, Router, State, WebhookError};
use larkspur_wire::envelope::Challenge;
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::{Secret, seal_body, sign};
use serde_json::{Value, json};
use tower_service::Service;

const KEY: &str = "an Encrypt Key";
const TOKEN: &str = "a Verification Token";

type Seen = Arc<Mutex<Vec<(Meta, Value)>>>;

async fn keep(RawEvent(event): RawEvent, meta: Meta, State(seen): State<Seen>) {
    seen.lock().unwrap().push((meta, event));
}

async fn fail(_: Delivery) -> Result<(), BoxError> {
    Err("on purpose".into())
}

async fn panic(_: Delivery) {
    panic!("on purpose");
}

async fn answer(RawEvent(event): RawEvent) -> Value {
    json!({ "toast": { "content": event["word"] } })
}

fn app(key: &str, token: &str) -> App {
    App::new("cli_9f5343c580712544", "secret")
        .unwrap()
        .encrypt_key(key)
        .verification_token(token)
}

fn event(event_type: &str) -> Vec<u8> {
    json!({
        "schema": "2.0",
        "header": { "event_id": "e1", "event_type": event_type, "create_time": "1608725989000", "token": TOKEN },
        "event": { "word": "背调" },
    })
    .to_string()
    .into_bytes()
}

struct Receiver {
    app: App,
    seen: Seen,
}

impl Receiver {
    fn new(key: &str, token: &str) -> Self {
        Self {
            app: app(key, token),
            seen: Seen::default(),
        }
    }

    async fn post(&self, body: Vec<u8>, signature: Option<String>) -> (StatusCode, Value) {
        let router = Router::new()
            .on_raw("a.kept_v1", keep)
            .on_raw("a.failed_v1", fail)
            .on_raw("a.panicked_v1", panic)
            .on_raw("a.answered_v1", answer)
            .with_state(Arc::clone(&self.seen));
        let mut request = Request::post("/").header(TIMESTAMP, "1").header(NONCE, "n");
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        let response = self
            .app
            .webhook(router)
            .unwrap()
            .call(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn post_sealed(&self, plain: &[u8]) -> (StatusCode, Value) {
        let body = seal_body(plain, &Secret::from(KEY), [3; 16]);
        let signature = sign("1", "n", &Secret::from(KEY), &body);
        self.post(body, Some(signature)).await
    }
}

#[tokio::test]
async fn a_sealed_and_signed_event_runs_its_handler() {
    let receiver = Receiver::new(KEY, TOKEN);
    assert_eq!(receiver.post_sealed(&event("a.kept_v1")).await.0, StatusCode::OK);
    let seen = receiver.seen.lock().unwrap();
    assert_eq!(
        (seen[0].0.event_id.as_str(), &seen[0].1),
        ("e1", &json!({ "word": "背调" }))
    );
}

#[tokio::test]
async fn a_forged_event_is_refused() {
    let receiver = Receiver::new(KEY, TOKEN);
    let body = seal_body(&event("a.kept_v1"), &Secret::from(KEY), [3; 16]);
    let forged = sign("1", "n", &Secret::from("another key"), &body);
    assert_eq!(receiver.post(body.clone(), Some(forged)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(receiver.post(body, None).await.0, StatusCode::FORBIDDEN);
    let plain = event("a.kept_v1");
    let signed = sign("1", "n", &Secret::from(KEY), &plain);
    assert_eq!(
        receiver.post(plain, Some(signed)).await.0,
        StatusCode::FORBIDDEN,
        "signed, but not encrypted"
    );
    let other_token = Receiver::new(KEY, "another token");
    assert_eq!(
        other_token.post_sealed(&event("a.kept_v1")).await.0,
        StatusCode::FORBIDDEN
    );
    assert!(receiver.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_key_the_token_protects() {
    let receiver = Receiver::new("", TOKEN);
    assert_eq!(receiver.post(event("a.kept_v1"), None).await.0, StatusCode::OK);
    assert_eq!(
        Receiver::new("", "other").post(event("a.kept_v1"), None).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        receiver.post_sealed(&event("a.kept_v1")).await.0,
        StatusCode::BAD_REQUEST
    );
    assert!(matches!(
        app("", "").webhook(Router::new()),
        Err(WebhookError::Unprotected)
    ));
}

#[tokio::test]
async fn the_challenge_is_answered_sealed_or_not() {
    let receiver = Receiver::new(KEY, TOKEN);
    let challenge = Challenge::write("c-1", &Secret::from(TOKEN));
    let expected = (StatusCode::OK, json!({ "challenge": "c-1" }));
    assert_eq!(receiver.post_sealed(&challenge).await, expected);
    assert_eq!(receiver.post(challenge, None).await, expected);
    let stranger = Challenge::write("c-1", &Secret::from("another token"));
    assert_eq!(receiver.post(stranger, None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_a_handler_does_is_the_answer() {
    let receiver = Receiver::new("", TOKEN);
    let status = async |event_type: &str| receiver.post(event(event_type), None).await.0;
    assert_eq!(status("a.failed_v1").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("a.panicked_v1").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status("nobody.handles_v1").await, StatusCode::OK);
    let (_, reply) = receiver.post(event("a.answered_v1"), None).await;
    assert_eq!(reply, json!({ "toast": { "content": "背调" } }));
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let receiver = Receiver::new("", TOKEN);
    for body in ["", "no json", "[]", "{}", r#"{"schema":"2.0","header":{}}"#] {
        assert_eq!(
            receiver.post(body.into(), None).await.0,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    let mut hook = receiver.app.webhook(Router::new()).unwrap();
    let got = hook.call(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn two_handlers_for_one_type_are_an_error() {
    let router = Router::new().on_raw("a.kept_v1", fail).on_raw("a.kept_v1", panic);
    assert!(router.check().unwrap_err().to_string().contains("`a.kept_v1`"));
    assert!(matches!(app(KEY, TOKEN).webhook(router), Err(WebhookError::Router(_))));
}
