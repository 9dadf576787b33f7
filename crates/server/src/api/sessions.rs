//! Live persistent connections.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use larkspur_engine::SessionInfo;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::AnyRefusal;
use crate::server::Server;

/// One live persistent connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// Its id, which the client knows as `device_id`.
    session_id: String,
    /// The app.
    app_id: String,
    /// Where the client connects from.
    peer: Option<String>,
    /// When the handshake ended.
    opened_at: i64,
    /// When the client's last ping came; `null` before the first.
    last_ping_at: Option<i64>,
    /// Events written to it.
    pushed: u64,
    /// Acks received from it.
    acked: u64,
}

/// All live persistent connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// In order of app and id.
    items: Vec<SessionView>,
}

impl From<SessionInfo> for SessionView {
    fn from(session: SessionInfo) -> Self {
        Self {
            session_id: session.session_id.to_string(),
            app_id: session.app_id.to_string(),
            peer: session.peer.map(|peer| peer.to_string()),
            opened_at: session.opened_at.0,
            last_ping_at: session.last_ping_at.map(|at| at.0),
            pushed: session.pushed,
            acked: session.acked,
        }
    }
}

/// Lists live persistent connections.
#[utoipa::path(get, path = "/api/v1/sessions",
    operation_id = "list_sessions", tag = "sessions",
    responses((status = 200, description = "All of them.", body = SessionList), AnyRefusal))]
pub(crate) async fn list(State(server): State<Arc<Server>>) -> Json<SessionList> {
    Json(SessionList {
        items: server.engine.hub().sessions().into_iter().map(Into::into).collect(),
    })
}
