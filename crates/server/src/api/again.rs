//! Pushing again: a delivery, an event, what failed, a part of the log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_engine::{AgainError, JobKind, Past, Resent};
use larkspur_store::DeliveryState;
use larkspur_wire::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::jobs::JobView;
use crate::body::JsonBody;
use crate::problem::{AnyRefusal, BodyRefusal, Missing, Problem};
use crate::server::Server;

/// When enough jobs run, it is not worth while to ask earlier.
const JOB_WAIT_SECONDS: u32 = 10;

/// What became of a wish to push again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resent)]
pub(crate) struct ResentView {
    /// Deliveries that are due now.
    resent: u64,
    /// Deliveries left as they are, since they are being pushed at this moment.
    under_way: u64,
}

/// What to recover: deliveries that are dead or wait for their next try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recovery {
    /// Of events accepted at this time or later, in milliseconds since 1970.
    since: i64,
    /// Only those in this state.
    #[schema(required = false)]
    state: Option<Failed>,
    /// Only those of events of this type, or of those that fit a pattern such as `hire.*`.
    #[schema(required = false)]
    event_type: Option<String>,
    /// Only those for this app.
    #[schema(required = false)]
    app_id: Option<String>,
}

/// A state of what is not delivered.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failed {
    /// Waiting for its next try.
    Pending,
    /// Given up.
    Dead,
}

/// What to replay: all deliveries of a part of the log, delivered ones too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Of events accepted at this time or later, in milliseconds since 1970.
    from: i64,
    /// Of events accepted before this time; a time that lies ahead means until now.
    to: i64,
    /// Only those of events of this type, or of those that fit a pattern such as `hire.*`.
    #[schema(required = false)]
    event_type: Option<String>,
    /// Only those for this app.
    #[schema(required = false)]
    app_id: Option<String>,
}

impl From<Resent> for ResentView {
    fn from(Resent { resent, under_way }: Resent) -> Self {
        Self { resent, under_way }
    }
}

/// Pushes a delivery again at once, whatever became of it.
#[utoipa::path(post, path = "/api/v1/deliveries/{delivery_id}/resend",
    operation_id = "resend_delivery", tag = "again",
    params(("delivery_id" = String, Path, description = "The delivery.")),
    responses((status = 200, description = "What is due now.", body = ResentView), AnyRefusal, Missing))]
pub(crate) async fn resend_delivery(
    State(server): State<Arc<Server>>,
    Path(delivery_id): Path<String>,
) -> Result<Json<ResentView>, Problem> {
    let unknown = || Problem::not_found("delivery", &delivery_id);
    let id = delivery_id.parse().map_err(|_| unknown())?;
    let resent = server.engine.resend(id).await?.ok_or_else(unknown)?;
    Ok(Json(resent.into()))
}

/// Pushes all deliveries of an event again at once, whatever became of them.
#[utoipa::path(post, path = "/api/v1/events/{event_id}/resend",
    operation_id = "resend_event", tag = "again",
    params(("event_id" = String, Path, description = "The event.")),
    responses((status = 200, description = "What is due now.", body = ResentView), AnyRefusal, Missing))]
pub(crate) async fn resend_event(
    State(server): State<Arc<Server>>,
    Path(event_id): Path<String>,
) -> Result<Json<ResentView>, Problem> {
    let unknown = || Problem::not_found("event", &event_id);
    let id = event_id.parse().map_err(|_| unknown())?;
    let resent = server.engine.resend_event(&id).await?.ok_or_else(unknown)?;
    Ok(Json(resent.into()))
}

/// Starts a job that pushes again what is not delivered.
#[utoipa::path(post, path = "/api/v1/recoveries",
    operation_id = "recover", tag = "again", request_body = Recovery,
    responses(
        (status = 202, description = "The job, which runs.", body = JobView), AnyRefusal, BodyRefusal))]
pub(crate) async fn recover(
    State(server): State<Arc<Server>>,
    JsonBody(asked): JsonBody<Recovery>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let past = Past {
        from: TimestampMs(asked.since),
        to: TimestampMs(i64::MAX),
        state: asked.state.map(|state| match state {
            Failed::Pending => DeliveryState::Pending,
            Failed::Dead => DeliveryState::Dead,
        }),
        event_type: member("event_type", asked.event_type.as_deref())?,
        app_id: member("app_id", asked.app_id.as_deref())?,
    };
    start(&server, JobKind::Recovery, past, "since")
}

/// Starts a job that pushes a part of the log again: to the apps that were to get it then.
#[utoipa::path(post, path = "/api/v1/replays",
    operation_id = "replay", tag = "again", request_body = Replay,
    responses(
        (status = 202, description = "The job, which runs.", body = JobView), AnyRefusal, BodyRefusal))]
pub(crate) async fn replay(
    State(server): State<Arc<Server>>,
    JsonBody(asked): JsonBody<Replay>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let past = Past {
        from: TimestampMs(asked.from),
        to: TimestampMs(asked.to),
        state: None,
        event_type: member("event_type", asked.event_type.as_deref())?,
        app_id: member("app_id", asked.app_id.as_deref())?,
    };
    start(&server, JobKind::Replay, past, "from")
}

fn start(server: &Server, kind: JobKind, past: Past, begin: &str) -> Result<(StatusCode, Json<JobView>), Problem> {
    match server.engine.push_again(kind, past) {
        Ok(job) => Ok((StatusCode::ACCEPTED, Json(job.into()))),
        Err(error @ AgainError::TooMany { .. }) => {
            Err(
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", error.to_string())
                    .retry_after(JOB_WAIT_SECONDS)
                    .hint("wait for one of GET /api/v1/jobs to end, or end one with DELETE /api/v1/jobs/{job_id}"),
            )
        }
        Err(error) => {
            Err(does_not_fit("no_time", &error, begin).hint("give milliseconds since 1970, the earlier first"))
        }
    }
}

/// A member of the body that must be an id or a pattern.
fn member<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error| does_not_fit("body_does_not_fit", &error, name))
}

fn does_not_fit(code: &str, error: &dyn std::fmt::Display, path: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string()).path(Some(path.to_owned()))
}
