//! `GET /ws/v2`: the handshake of a persistent connection, after which its socket belongs to the hub.
//!
//! <https://www.rfc-editor.org/rfc/rfc6455#section-4.2>

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use larkspur_engine::HandshakeRefusal;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::problem::{Problem, Refused};
use crate::server::{Connection, Server};

/// Upgrades a client with a valid ticket.
pub(crate) async fn upgrade(
    State(server): State<Arc<Server>>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
) -> Response {
    // No extension is ever agreed to: the official SDKs work without, and frames stay readable on the wire.
    let Ok(response) = create_response_with_body(&request, Body::empty) else {
        return not_a_handshake();
    };
    let admission = match server.engine.hub().admit(request.uri().query().unwrap_or_default()) {
        Ok(admission) => admission,
        Err(refusal) => return refused(refusal),
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let hub = server.engine.hub().clone();
    // The hub ends its sessions when the engine shuts down, and with them this task.
    tokio::spawn(async move {
        let Connection { peer, slot, .. } = connection;
        match upgraded.await {
            Ok(upgraded) => hub.run(admission, TokioIo::new(upgraded), Some(peer)).await,
            Err(error) => tracing::debug!(%peer, %error, "a client left before its connection was upgraded"),
        }
        drop(slot);
    });
    response
}

fn not_a_handshake() -> Response {
    let detail = "this path takes WebSocket handshakes of version 13 only";
    let mut response = Problem::new(StatusCode::UPGRADE_REQUIRED, "not_a_handshake", detail)
        .hint("connect with the URL that POST /callback/ws/endpoint answers")
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

fn refused(refusal: HandshakeRefusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = (status, refusal.to_string()).into_response();
    for (name, value) in refusal.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .extensions_mut()
        .insert(Refused("handshake_refused".to_owned()));
    response
}
