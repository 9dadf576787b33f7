//! Calls to parts of the open API that this platform does not have.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page;
use crate::body::Params;
use crate::open::Call;
use crate::problem::{AnyRefusal, Problem, QueryRefusal};
use crate::server::Server;

/// One call that was not understood.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenApiCall)]
pub(crate) struct CallView {
    /// When it came.
    called_at: i64,
    /// Its method.
    method: String,
    /// Its path, without the query.
    path: String,
    /// The app, when a valid token named it.
    app_id: Option<String>,
}

/// The last calls that were not understood.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallList {
    /// The newest first; the platform remembers 1,000.
    items: Vec<CallView>,
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallLimit {
    /// At most this many, 1 to 1,000; 50 when left out.
    limit: Option<u32>,
}

impl From<Call> for CallView {
    fn from(call: Call) -> Self {
        Self {
            called_at: call.called_at.0,
            method: call.method,
            path: call.path,
            app_id: call.app_id.map(|app| app.to_string()),
        }
    }
}

/// Lists calls to `/open-apis` paths that this platform does not have.
#[utoipa::path(get, path = "/api/v1/open-api-calls",
    operation_id = "list_open_api_calls", tag = "platform", params(CallLimit),
    responses((status = 200, description = "The newest first.", body = CallList), AnyRefusal, QueryRefusal))]
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Params(CallLimit { limit }): Params<CallLimit>,
) -> Result<Json<CallList>, Problem> {
    let calls = server.calls.newest(page::limit(limit)? as usize);
    Ok(Json(CallList {
        items: calls.into_iter().map(Into::into).collect(),
    }))
}
