//! The platform's clock, which tests and developers may move so that retries come at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use larkspur_engine::MovableClock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::JsonBody;
use crate::problem::{AnyRefusal, BodyRefusal, Missing, Problem};
use crate::server::Server;

/// Moving further at once is a mistake in the unit; the longest schedule takes seven hours.
const ADVANCE_MAX: Duration = Duration::from_hours(366 * 24);

/// The platform's time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClockView {
    /// Milliseconds since 1970.
    now: i64,
}

/// A time to move to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockSet {
    /// Milliseconds since 1970, not in the clock's past.
    now: i64,
}

/// How far to move.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockAdvance {
    /// Seconds.
    seconds: u64,
}

/// Tells the platform's time, where it can be moved.
#[utoipa::path(get, path = "/api/v1/clock",
    operation_id = "show_clock", tag = "clock",
    responses((status = 200, description = "The time.", body = ClockView), AnyRefusal, Missing))]
pub(crate) async fn show(State(server): State<Arc<Server>>) -> Result<Json<ClockView>, Problem> {
    movable(&server)?;
    Ok(Json(ClockView { now: server.now().0 }))
}

/// Moves the clock to a time, forward only.
#[utoipa::path(post, path = "/api/v1/clock",
    operation_id = "set_clock", tag = "clock", request_body = ClockSet,
    responses((status = 200, description = "The time.", body = ClockView), AnyRefusal, BodyRefusal, Missing))]
pub(crate) async fn set(
    State(server): State<Arc<Server>>,
    JsonBody(ClockSet { now }): JsonBody<ClockSet>,
) -> Result<Json<ClockView>, Problem> {
    let clock = movable(&server)?;
    let Ok(by_ms) = u64::try_from(now.saturating_sub(server.now().0)) else {
        return Err(refuse("the clock moves forward only", "now"));
    };
    advance(&server, clock, Duration::from_millis(by_ms), "now")
}

/// Moves the clock forward.
#[utoipa::path(post, path = "/api/v1/clock/advance",
    operation_id = "advance_clock", tag = "clock", request_body = ClockAdvance,
    responses((status = 200, description = "The time.", body = ClockView), AnyRefusal, BodyRefusal, Missing))]
pub(crate) async fn advance_by(
    State(server): State<Arc<Server>>,
    JsonBody(ClockAdvance { seconds }): JsonBody<ClockAdvance>,
) -> Result<Json<ClockView>, Problem> {
    advance(&server, movable(&server)?, Duration::from_secs(seconds), "seconds")
}

fn movable(server: &Server) -> Result<&MovableClock, Problem> {
    server.clock.as_deref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "clock_not_movable",
            "this platform goes by the machine's clock",
        )
        .hint("`larkspur dev` has a clock that can be moved")
    })
}

fn advance(server: &Server, clock: &MovableClock, by: Duration, path: &str) -> Result<Json<ClockView>, Problem> {
    if by > ADVANCE_MAX {
        return Err(refuse("the clock moves by a year at most", path));
    }
    clock.advance(by);
    Ok(Json(ClockView { now: server.now().0 }))
}

fn refuse(detail: &str, path: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "clock_cannot_move", detail).path(Some(path.to_owned()))
}
