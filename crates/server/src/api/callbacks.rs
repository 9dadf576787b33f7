//! Callbacks: one app is asked and its answer is returned.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use larkspur_engine::{CallError, CallFailure, Called};
use larkspur_platform::{Call, CallRefusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::probe::draining;
use crate::api::publish;
use crate::api::word::PushMode;
use crate::auth::Producer;
use crate::problem::{AnyRefusal, Asking, BodyRefusal, Misfit, Missing, Problem};
use crate::server::Server;

/// A callback to ask an app for. Unknown members are refused by name; inside `event` they are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Callback)]
#[expect(dead_code, reason = "it describes what the platform parses itself")]
pub(crate) struct CallbackView {
    /// What is asked: `card.action.trigger`, `url.preview.get`, `profile.view.get` or `card.action.trigger_v1`.
    #[schema(example = "card.action.trigger")]
    event_type: String,
    /// The payload, which must fit the type. A `token` that is left out is made.
    #[schema(value_type = Object)]
    event: Value,
    /// The tenant it happens in; may be left out where the platform has a default one.
    #[schema(required = false)]
    tenant_key: Option<String>,
    /// The app to ask; needed when several apps would answer.
    #[schema(required = false)]
    app_id: Option<String>,
}

/// What the app answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallbackAnswer)]
pub(crate) struct CalledView {
    /// Names the callback; in the header of the pushed body, where the form has one.
    event_id: String,
    /// Its type.
    event_type: String,
    /// The app that was asked.
    app_id: String,
    /// How it was asked.
    mode: PushMode,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// The answer, such as a toast and a new card; `null` when the app had nothing to say.
    #[schema(value_type = Option<Object>)]
    answer: Option<Value>,
    /// Every place where the answer is not what the catalogue expects of it; Feishu's clients may refuse it.
    misfits: Vec<Misfit>,
}

/// Asks the app that a callback is for, and returns its answer.
///
/// The app has 3 seconds in all. It is asked once, never again, and nothing is stored.
#[utoipa::path(post, path = "/api/v1/callbacks",
    operation_id = "call_app", tag = "callbacks",
    request_body = CallbackView,
    responses(
        (status = 200, description = "What the app answered.", body = CalledView),
        AnyRefusal, Asking, BodyRefusal, Missing))]
pub(crate) async fn call(
    _: Producer,
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Json<CalledView>, Problem> {
    if server.engine.is_draining() {
        return Err(draining());
    }
    let settings = server.engine.settings();
    let (json, _held) = server.intake.read(request, settings.publish.event_bytes_max).await?;
    let call = Call::parse(
        &json,
        server.engine.catalog(),
        &settings.publish,
        settings.assumptions.unverified_types,
    )
    .map_err(|refusal| problem(refusal.into(), &json))?;
    let called = server.engine.call(call).await;
    called
        .map(|called| Json(called.into()))
        .map_err(|error| problem(error, &json))
}

fn problem(error: CallError, json: &[u8]) -> Problem {
    let status = match &error {
        CallError::Refused(CallRefusal::Request(request)) => {
            return publish::problem(request.clone(), Some(json)).hint(error.hint());
        }
        CallError::Refused(CallRefusal::UnknownCallback { .. }) => StatusCode::NOT_FOUND,
        CallError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        CallError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Failed {
            failure: CallFailure::TimedOut { .. },
            ..
        } => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    let path = match &error {
        CallError::Refused(refusal) => refusal.path().map(str::to_owned),
        _ => None,
    };
    Problem::new(status, error.code(), error.to_string())
        .hint(error.hint())
        .path(path)
        .feishu_code(error.feishu_code())
}

impl From<Called> for CalledView {
    fn from(called: Called) -> Self {
        Self {
            event_id: called.event_id.to_string(),
            event_type: called.event_type.to_string(),
            app_id: called.app_id.to_string(),
            mode: called.mode.into(),
            took_ms: u64::try_from(called.took.as_millis()).unwrap_or(u64::MAX),
            answer: called.answer,
            misfits: called
                .misfits
                .iter()
                .map(|misfit| publish::misfit(misfit, "answer"))
                .collect(),
        }
    }
}
