//! P4: forged events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use larkspur::{App, Meta, Router, State, Webhook, WebhookError};
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::{Secret, seal_body, sign};
use serde_json::{Value, json};
use tower_service::Service as _;

const KEY: &str = "kudryavka";
const TOKEN: &str = "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV";
const STAMP: &str = "1700000000";

/// A receiver, and how many events have passed it.
struct Receiver {
    webhook: Webhook,
    passed: Arc<AtomicUsize>,
}

async fn pass(_: Meta, State(passed): State<Arc<AtomicUsize>>) {
    passed.fetch_add(1, Ordering::AcqRel);
}

fn app(key: &str, token: &str) -> App {
    let app = App::new("cli_9f5343c580712544", "secret").unwrap();
    app.encrypt_key(key).verification_token(token)
}

impl Receiver {
    fn new(key: &str, token: &str) -> Self {
        let passed = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(pass).with_state(Arc::clone(&passed));
        let webhook = app(key, token).webhook(router).unwrap();
        Self { webhook, passed }
    }

    async fn post(&self, body: Vec<u8>, signature: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::post("/").header(TIMESTAMP, STAMP).header(NONCE, "n");
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.webhook.clone().call(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn passed(&self) -> usize {
        self.passed.load(Ordering::Acquire)
    }
}

/// An event with this token; its id is new each time, so that it is no repeat.
fn event(token: &str) -> Vec<u8> {
    let header = json!({
        "event_id": format!("{:032x}", fastrand::u128(..)),
        "event_type": "hire.eco_exam.created_v1",
        "create_time": "1700000000000",
        "token": token,
        "app_id": "cli_9f5343c580712544",
        "tenant_key": "2ca1d211f64f6438",
    });
    let envelope = json!({ "schema": "2.0", "header": header, "event": { "exam_id": "1" } });
    envelope.to_string().into_bytes()
}

fn challenge(token: &str) -> Vec<u8> {
    let challenge = json!({ "challenge": "ajls384kdjx98XX", "token": token, "type": "url_verification" });
    challenge.to_string().into_bytes()
}

fn seal(plain: &[u8], key: &str) -> Vec<u8> {
    seal_body(plain, &Secret::from(key), fastrand::u128(..).to_be_bytes())
}

fn signed(body: &[u8], key: &str) -> String {
    sign(STAMP, "n", &Secret::from(key), body)
}

/// P4, hermes-agent#29659: who answers any challenge lends its name to whoever asks.
#[tokio::test]
async fn forged_challenge() {
    let receiver = Receiver::new(KEY, TOKEN);
    let (status, answer) = receiver.post(seal(&challenge(TOKEN), KEY), None).await;
    assert_eq!(
        (status, answer),
        (StatusCode::OK, json!({ "challenge": "ajls384kdjx98XX" }))
    );
    for forged in [
        seal(&challenge("a guess"), KEY),
        seal(&challenge(TOKEN), "another key"),
        challenge("a guess"),
        challenge(""),
    ] {
        let (status, answer) = receiver.post(forged, None).await;
        assert!(status.is_client_error(), "{status}");
        assert_eq!(answer.get("challenge"), None, "{answer}");
    }
}

/// P4, ironclaw#1638: an event that does not prove where it comes from is refused, with key and token, or with one.
#[tokio::test]
async fn forged_event() {
    let both = Receiver::new(KEY, TOKEN);
    let sealed = seal(&event(TOKEN), KEY);
    assert_eq!(
        both.post(sealed.clone(), Some(&signed(&sealed, KEY))).await.0,
        StatusCode::OK
    );
    let wrong_token = seal(&event("a guess"), KEY);
    let wrong_key = seal(&event(TOKEN), "another key");
    for (forged, signature) in [
        (sealed.clone(), None),
        (sealed.clone(), Some(signed(&sealed, "another key"))),
        (sealed, Some(signed(&wrong_token, KEY))),
        (wrong_token.clone(), Some(signed(&wrong_token, KEY))),
        (wrong_key.clone(), Some(signed(&wrong_key, KEY))),
        (event(TOKEN), None),
        (event(TOKEN), Some(signed(&event(TOKEN), KEY))),
    ] {
        let (status, answer) = both.post(forged, signature.as_deref()).await;
        assert!(status.is_client_error(), "{status} {answer}");
    }
    assert_eq!(both.passed(), 1);
    let token_alone = Receiver::new("", TOKEN);
    assert_eq!(token_alone.post(event(TOKEN), None).await.0, StatusCode::OK);
    for token in ["a guess", ""] {
        assert!(token_alone.post(event(token), None).await.0.is_client_error());
    }
    assert_eq!(token_alone.passed(), 1);
}

/// P4, openlark#151: a receiver that could tell nobody from the platform does not start.
#[test]
fn no_key_no_token() {
    let error = app("", "").webhook(Router::new()).unwrap_err();
    assert!(matches!(error, WebhookError::Unprotected), "{error}");
    assert!(error.to_string().contains("anybody could post"), "{error}");
    assert!(app(KEY, "").webhook(Router::new()).is_ok());
    assert!(app("", TOKEN).webhook(Router::new()).is_ok());
}
