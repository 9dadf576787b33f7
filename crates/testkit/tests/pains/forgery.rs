//! P4: forged events.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use larkspur::{App, Meta, Refused, ReplayGuard, Router, State, Webhook, WebhookError, WrongRecipe};
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::{Secret, seal_body, sign, sign_card_v1};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
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

    /// The same, told apart by the step that refuses.
    async fn try_post(&self, stamp: &str, body: &[u8], signature: &str) -> Result<(), Refused> {
        let request = Request::post("/")
            .header(TIMESTAMP, stamp)
            .header(NONCE, "n")
            .header(SIGNATURE, signature);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let body = Bytes::copy_from_slice(body);
        self.webhook.try_handle(&head, body).await.map(drop)
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

/// P4, open-cowork#339 and a dozen others: what the platform signs passes, and each wrong recipe that is in use is
/// refused by its name.
#[tokio::test]
async fn sign_vectors() {
    let captured: Value = serde_json::from_str(include_str!("../../../wire/tests/vectors/vectors.json")).unwrap();
    let vectors = &captured["webhook"];
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let (key, token) = (text(vectors, "encrypt_key"), text(vectors, "verification_token"));
    let receiver = Receiver::new(&key, &token);
    let (stamp, nonce) = (text(vectors, "timestamp"), text(vectors, "nonce"));
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let request = Request::post("/")
            .header(TIMESTAMP, &stamp)
            .header(NONCE, &nonce)
            .header(SIGNATURE, text(case, "x_lark_signature"));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let answered = receiver.webhook.try_handle(&head, text(case, "body").into()).await;
        assert_eq!(answered.unwrap().status(), StatusCode::OK, "{}", case["name"]);
    }
    assert!(receiver.passed() > 0);

    let (key, token) = (Secret::from(KEY), Secret::from(TOKEN));
    let receiver = Receiver::new(KEY, TOKEN);
    let plain = event(TOKEN);
    let body = seal(&plain, KEY);
    let before = [STAMP.as_bytes(), b"n"].concat();
    let hash = Sha256::digest([&before[..], KEY.as_bytes(), &body].concat());
    let hmac = |key: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(&[&before[..], &body].concat());
        mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    for (signature, recipe) in [
        (hmac(KEY), WrongRecipe::Hmac),
        (hmac(TOKEN), WrongRecipe::Hmac),
        (sign(STAMP, "n", &Secret::from(""), &body), WrongRecipe::NoKey),
        (sign(STAMP, "n", &token, &body), WrongRecipe::TokenAsKey),
        (BASE64.encode(hash), WrongRecipe::Base64),
        (sign_card_v1(STAMP, "n", &token, &body), WrongRecipe::Sha1),
        (sign(STAMP, "n", &key, &plain), WrongRecipe::OpenedBody),
    ] {
        let refused = receiver.try_post(STAMP, &body, &signature).await.unwrap_err();
        assert!(
            matches!(refused, Refused::Signature { recipe: Some(found) } if found == recipe),
            "{recipe:?}: {refused}"
        );
    }
    assert_eq!(receiver.passed(), 0);
    receiver.try_post(STAMP, &body, &signed(&body, KEY)).await.unwrap();
}

/// P4: what somebody recorded is refused outside of a window of time, or when it comes more often than the platform
/// pushes anything; the five pushes of an event all pass.
#[tokio::test]
async fn replayed_request() {
    let mut receiver = Receiver::new(KEY, TOKEN);
    receiver.webhook = receiver.webhook.replay_guard(ReplayGuard::new());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (fresh, old) = (now.as_secs().to_string(), (now.as_secs() - 9 * 60 * 60).to_string());
    let body = seal(&event(TOKEN), KEY);
    let key = Secret::from(KEY);
    let signature = sign(&old, "n", &key, &body);
    let refused = receiver.try_post(&old, &body, &signature).await.unwrap_err();
    assert!(matches!(refused, Refused::OutOfTime { ahead: false, .. }), "{refused}");
    let signature = sign(&fresh, "n", &key, &body);
    for _ in 0..5 {
        receiver.try_post(&fresh, &body, &signature).await.unwrap();
    }
    let refused = receiver.try_post(&fresh, &body, &signature).await.unwrap_err();
    assert!(matches!(refused, Refused::Replayed { .. }), "{refused}");
    assert_eq!(receiver.passed(), 1, "and the repeats are known by the event's id");
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
