//! What a webhook takes for the platform's, and which step refuses what is not.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode};
use larkspur::{Delivery, Refused, ReplayGuard, Router, State, Webhook, WrongRecipe};
use larkspur_wire::envelope::Challenge;
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::{Secret, seal_body, sign, sign_card_v1};
use serde_json::{Value, json};

const EVENT: &str =
    r#"{"schema":"2.0","header":{"event_id":"e1","event_type":"a.kept_v1","token":"token"},"event":{}}"#;
const CARD: &str = r#"{"open_id":"ou_1","tenant_key":"t","token":"c-1","action":{"tag":"button"}}"#;

struct Receiver {
    hook: Webhook,
    handled: Arc<AtomicUsize>,
}

async fn count(delivery: Delivery, State(handled): State<Arc<AtomicUsize>>) -> Value {
    handled.fetch_add(1, Ordering::Relaxed);
    json!({ "type": delivery.meta().event_type })
}

impl Receiver {
    fn new(key: &str, token: &str) -> Self {
        let handled = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .without_dedup()
            .fallback(count)
            .with_state(Arc::clone(&handled));
        let hook = Webhook::with_key(key, token, router).unwrap();
        Self { hook, handled }
    }

    async fn post(&self, body: &[u8], timestamp: &str, signature: Option<&str>) -> Result<Value, Refused> {
        let mut request = Request::post("/").header(TIMESTAMP, timestamp).header(NONCE, "n");
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let response = self.hook.try_handle(&head, Bytes::copy_from_slice(body)).await?;
        assert_eq!(response.status(), StatusCode::OK);
        Ok(serde_json::from_slice(response.body()).unwrap())
    }

    /// Posts what the platform would post with this key.
    async fn post_sealed(&self, plain: &str, key: &str) -> Result<Value, Refused> {
        let body = sealed(plain, key);
        self.post(&body, "1", Some(&sign("1", "n", &key.into(), &body))).await
    }

    fn handled(&self) -> usize {
        self.handled.load(Ordering::Relaxed)
    }
}

fn sealed(plain: &str, key: &str) -> Vec<u8> {
    seal_body(plain.as_bytes(), &Secret::from(key), [3; 16])
}

#[tokio::test]
async fn two_keys_and_two_tokens_are_taken_at_once() {
    let mut receiver = Receiver::new("new key", "new token");
    assert!(matches!(
        receiver.post_sealed(EVENT, "key").await,
        Err(Refused::Signature { recipe: None })
    ));
    receiver.hook = receiver.hook.or_key("key");
    assert!(matches!(receiver.post_sealed(EVENT, "key").await, Err(Refused::Token)));
    receiver.hook = receiver.hook.or_token("token");
    assert!(receiver.post_sealed(EVENT, "key").await.is_ok());
    assert!(receiver.post_sealed(EVENT, "new key").await.is_ok());
    assert_eq!(receiver.handled(), 2);
}

#[tokio::test]
async fn each_step_that_fails_is_named() {
    let receiver = Receiver::new("key", "token");
    let body = sealed(EVENT, "key");
    let post = async |body: &[u8], signature: &str| receiver.post(body, "1", Some(signature)).await.unwrap_err();
    let signed = |body: &[u8]| sign("1", "n", &"key".into(), body);
    assert!(matches!(
        receiver.post(&body, "1", None).await,
        Err(Refused::Unsigned { header: SIGNATURE })
    ));
    assert!(matches!(
        post(&body, &sign("1", "n", &"".into(), &body)).await,
        Refused::Signature {
            recipe: Some(WrongRecipe::NoKey)
        }
    ));
    assert!(matches!(
        post(&body, &sign("1", "n", &"key".into(), EVENT.as_bytes())).await,
        Refused::Signature {
            recipe: Some(WrongRecipe::OpenedBody)
        }
    ));
    let other = sealed(EVENT, "other");
    assert!(matches!(post(&other, &signed(&other)).await, Refused::Open(_)));
    let twice = sealed(str::from_utf8(&body).unwrap(), "key");
    assert!(matches!(post(&twice, &signed(&twice)).await, Refused::SealedTwice));
    let plain = EVENT.as_bytes();
    assert!(matches!(post(plain, &signed(plain)).await, Refused::NotSealed));
    let token_only = Receiver::new("", "token");
    assert!(matches!(token_only.post(&body, "1", None).await, Err(Refused::NoKey)));
    assert!(token_only.post(plain, "1", None).await.is_ok());
    assert_eq!(receiver.handled(), 0);
}

#[tokio::test]
async fn a_key_without_a_token_answers_only_challenges_sealed_with_it() {
    let receiver = Receiver::new("key", "");
    let challenge = Challenge::write("c1", &Secret::from("any"));
    assert!(matches!(
        receiver.post(&challenge, "1", None).await,
        Err(Refused::NotSealed)
    ));
    let plain = String::from_utf8(challenge).unwrap();
    let answer = receiver.post(&sealed(&plain, "key"), "1", None).await.unwrap();
    assert_eq!(answer, json!({ "challenge": "c1" }));
    assert!(matches!(
        receiver.post(&sealed(&plain, "other"), "1", None).await,
        Err(Refused::Unsigned { .. })
    ));
}

#[tokio::test]
async fn nothing_unsigned_says_how_its_body_failed_to_open() {
    let receiver = Receiver::new("key", "token");
    let mut changed = sealed(EVENT, "key");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
        let response = receiver.hook.handle(&head, changed.clone().into()).await;
        answers.push((response.status(), response.into_body()));
        changed[40] ^= 1;
    }
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn the_old_card_callback_is_signed_with_the_token() {
    let receiver = Receiver::new("", "token");
    let signature = |token: &str, body: &[u8]| sign_card_v1("1", "n", &token.into(), body);
    let body = CARD.as_bytes();
    let answer = receiver.post(body, "1", Some(&signature("token", body))).await.unwrap();
    assert_eq!(answer, json!({ "type": "card.action.trigger_v1" }));
    let forged = receiver.post(body, "1", Some(&signature("other", body))).await;
    assert!(matches!(forged, Err(Refused::Signature { .. })));
    assert!(matches!(
        receiver.post(body, "1", None).await,
        Err(Refused::Unsigned { .. })
    ));
    let with_key = Receiver::new("key", "token");
    let wrapped = sealed(CARD, "key");
    assert!(
        with_key
            .post(&wrapped, "1", Some(&signature("token", &wrapped)))
            .await
            .is_ok()
    );
    assert!(with_key.post_sealed(CARD, "key").await.is_ok());
    assert!(with_key.post(body, "1", Some(&signature("token", body))).await.is_ok());
    let no_token = Receiver::new("key", "");
    assert!(matches!(
        no_token.post(body, "1", Some(&signature("", body))).await,
        Err(Refused::NoToken)
    ));
    let event = sealed(EVENT, "key");
    let by_card = with_key.post(&event, "1", Some(&signature("token", &event))).await;
    assert!(
        matches!(by_card, Err(Refused::Signature { .. })),
        "that signature is for old cards only"
    );
}

#[tokio::test]
async fn a_recorded_request_is_worth_nothing_after_five_times() {
    let mut receiver = Receiver::new("key", "token");
    receiver.hook = receiver.hook.replay_guard(ReplayGuard::new());
    assert!(matches!(
        receiver.post_sealed(EVENT, "key").await,
        Err(Refused::OutOfTime { ahead: false, .. })
    ));
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = since.as_secs().to_string();
    let body = sealed(EVENT, "key");
    let signature = sign(&now, "n", &"key".into(), &body);
    for _ in 0..5 {
        assert!(receiver.post(&body, &now, Some(&signature)).await.is_ok());
    }
    assert!(matches!(
        receiver.post(&body, &now, Some(&signature)).await,
        Err(Refused::Replayed { times: 6 })
    ));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let mut receiver = Receiver::new("", "token");
    receiver.hook = receiver.hook.body_bytes_max(EVENT.len());
    assert!(receiver.post(EVENT.as_bytes(), "1", None).await.is_ok());
    let longer = format!("{EVENT} ");
    assert!(matches!(
        receiver.post(longer.as_bytes(), "1", None).await,
        Err(Refused::TooLarge { bytes_max }) if bytes_max == EVENT.len()
    ));
}
