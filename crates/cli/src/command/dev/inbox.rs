//! The built-in inbox: the request URL of the webhook apps until a developer sets another. It is our own SDK.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use larkspur::App;
use larkspur_engine::Engine;

#[derive(Clone)]
struct Inbox {
    engine: Engine,
    router: larkspur::Router,
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
