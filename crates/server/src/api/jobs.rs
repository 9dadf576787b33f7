//! Jobs: recoveries and replays that run or have run since the platform started.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use larkspur_engine::{JobInfo, JobKind, JobState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::word::State as Stands;
use crate::body::Params;
use crate::problem::{AnyRefusal, Missing, Problem, QueryRefusal};
use crate::server::Server;

/// A request does not wait longer for a job, so that a platform that ends does not wait for it either.
const WAIT_SECONDS_MAX: u64 = 8;

/// A job that pushes again what is in the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// Its id.
    job_id: String,
    /// What it pushes again.
    kind: Kind,
    /// Where it stands.
    state: Progress,
    /// When it began.
    started_at: i64,
    /// When it ended; `null` while it runs.
    ended_at: Option<i64>,
    /// Only events accepted at this time or later.
    from: i64,
    /// Only events accepted before this time.
    to: i64,
    /// Only events of these types.
    event_type: Option<String>,
    /// Only for this app.
    app_id: Option<String>,
    /// Only deliveries in this state.
    delivery_state: Option<Stands>,
    /// Deliveries that it made due.
    resent: u64,
    /// Deliveries that it left as they are, since they were being pushed.
    under_way: u64,
    /// It has gone through what was accepted before this time.
    reached_at: i64,
    /// Why it failed.
    error: Option<String>,
}

/// What a job pushes again.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobKind)]
pub(crate) enum Kind {
    /// What is not delivered.
    Recovery,
    /// Everything.
    Replay,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub(crate) enum Progress {
    /// It goes through the log.
    Running,
    /// It went through all of it.
    Done,
    /// Somebody ended it, or the platform stopped.
    Cancelled,
    /// The store failed.
    Failed,
}

/// Jobs that run, and the last ones that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    /// The newest first; the platform remembers 100, until it is restarted.
    items: Vec<JobView>,
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobWait {
    /// Answer when the job has ended, or after this many seconds, 8 at most; at once when left out.
    wait_seconds: Option<u64>,
}

impl From<JobInfo> for JobView {
    fn from(job: JobInfo) -> Self {
        Self {
            job_id: job.id.to_string(),
            kind: match job.kind {
                JobKind::Recovery => Kind::Recovery,
                JobKind::Replay => Kind::Replay,
            },
            state: match job.state {
                JobState::Running => Progress::Running,
                JobState::Done => Progress::Done,
                JobState::Cancelled => Progress::Cancelled,
                JobState::Failed => Progress::Failed,
            },
            started_at: job.started_at.0,
            ended_at: job.ended_at.map(|at| at.0),
            from: job.past.from.0,
            to: job.past.to.0,
            event_type: job.past.event_type.map(|glob| glob.to_string()),
            app_id: job.past.app_id.map(|app| app.to_string()),
            delivery_state: job.past.state.map(Into::into),
            resent: job.resent.resent,
            under_way: job.resent.under_way,
            reached_at: job.reached.0,
            error: job.error,
        }
    }
}

/// Lists recoveries and replays that run or have ended.
#[utoipa::path(get, path = "/api/v1/jobs",
    operation_id = "list_jobs", tag = "again",
    responses((status = 200, description = "The newest first.", body = JobList), AnyRefusal))]
pub(crate) async fn list(State(server): State<Arc<Server>>) -> Json<JobList> {
    Json(JobList {
        items: server.engine.jobs().into_iter().map(Into::into).collect(),
    })
}

/// Shows how far a job is, or waits for its end.
#[utoipa::path(get, path = "/api/v1/jobs/{job_id}",
    operation_id = "show_job", tag = "again",
    params(("job_id" = String, Path, description = "The job."), JobWait),
    responses((status = 200, description = "The job.", body = JobView), AnyRefusal, Missing, QueryRefusal))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(job_id): Path<String>,
    Params(JobWait { wait_seconds }): Params<JobWait>,
) -> Result<Json<JobView>, Problem> {
    let unknown = || unknown(&job_id);
    let id = job_id.parse().map_err(|_| unknown())?;
    let patience = match wait_seconds.unwrap_or_default() {
        seconds @ 0..=WAIT_SECONDS_MAX => Duration::from_secs(seconds),
        seconds => {
            let detail = format!("`wait_seconds` is {seconds}, and must be 0 to {WAIT_SECONDS_MAX}");
            return Err(Problem::bad_query("wait_seconds", &detail));
        }
    };
    let job = server.engine.job_ended(id, patience).await.ok_or_else(unknown)?;
    Ok(Json(job.into()))
}

/// Ends a job. What it has made due stays due; a job that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/jobs/{job_id}",
    operation_id = "cancel_job", tag = "again",
    params(("job_id" = String, Path, description = "The job.")),
    responses((status = 200, description = "How far it came.", body = JobView), AnyRefusal, Missing))]
pub(crate) async fn cancel(
    State(server): State<Arc<Server>>,
    Path(job_id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let unknown = || unknown(&job_id);
    let id = job_id.parse().map_err(|_| unknown())?;
    let job = server.engine.cancel_job(id).await.ok_or_else(unknown)?;
    Ok(Json(job.into()))
}

fn unknown(job_id: &str) -> Problem {
    Problem::not_found("job", job_id).hint("GET /api/v1/jobs lists them; a restart of the platform ends them all")
}
