//! The built-in inbox: the request URL of the webhook apps until a developer sets another. It is our own SDK.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use larkspur::{App, Secret};
use larkspur_catalog::Catalog;
use larkspur_engine::Engine;
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::sign_card_v1;
use serde_json::{Value, json};

#[derive(Clone)]
struct Inbox {
    engine: Engine,
    router: larkspur::Router,
}

/// The old card is small; what is larger is none.
const CARD_BYTES_MAX: usize = 1024 * 1024;
/// Hexadecimal digits of SHA-1, by which only the old card callback is signed.
const SHA1_CHARS: usize = 40;

/// Adds a handler for every callback, which has nothing to say.
pub(super) fn answering<S: Clone + Send + Sync + 'static>(router: larkspur::Router<S>) -> larkspur::Router<S> {
    let callbacks = Catalog::embedded().callbacks();
    callbacks.fold(router, |router, facts| router.on_raw(&facts.event_type, answer))
}

async fn answer(_: larkspur::Delivery) -> Value {
    json!({})
}

/// The handler for every event: taking it is enough, since `dev` prints what arrives anyway.
pub(super) async fn take(_: larkspur::Delivery) {}

/// `POST /inbox/{app_id}`.
pub(super) fn routes(engine: Engine, router: larkspur::Router) -> Router {
    Router::new()
        .route("/inbox/{app_id}", post(receive))
        .with_state(Inbox { engine, router })
}

async fn receive(Path(app_id): Path<String>, State(inbox): State<Inbox>, request: Request<Body>) -> Response {
    let apps = inbox.engine.apps();
    let app = app_id.parse().ok().and_then(|id| apps.get(&id));
    if let Some(app) = app.filter(|_| header(request.headers(), SIGNATURE).len() == SHA1_CHARS) {
        return old_card(&app.verification_token, request).await;
    }
    let webhook = app.and_then(|app| {
        let receiver = App::new(app.id.as_str(), app.app_secret.clone()).ok()?;
        let receiver = receiver
            .encrypt_key(app.encrypt_key.clone())
            .verification_token(app.verification_token.clone());
        receiver.webhook(inbox.router.clone()).ok()
    });
    match webhook {
        Some(mut webhook) => match tower_service::Service::call(&mut webhook, request).await {
            Ok(response) => response.map(Body::new),
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The old card callback has neither an envelope nor the signature of the others, and no SDK of ours.
async fn old_card(token: &Secret, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, CARD_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = |name| header(&head.headers, name);
    if sign_card_v1(text(TIMESTAMP), text(NONCE), token, &body) == text(SIGNATURE) {
        Json(json!({})).into_response()
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}
