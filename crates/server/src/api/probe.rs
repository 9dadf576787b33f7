//! Probes for whoever runs the platform: does the process live, does it take events.
//!
//! They need no token, say nothing about what is inside, and are asked by address: no guard stands before them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use larkspur_engine::Unready;

use crate::problem::{NotReady, Problem};
use crate::server::Server;

/// The paths of the probes.
pub(crate) const PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "probe_liveness", tag = "platform", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain; charset=utf-8")))]
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Says whether events are taken now: the store can be written, and the platform is not ending.
#[utoipa::path(get, path = "/readyz", operation_id = "probe_readiness", tag = "platform", security(()),
    responses((status = 200, description = "They are.", body = String, content_type = "text/plain; charset=utf-8"), NotReady))]
pub(crate) async fn ready(State(server): State<Arc<Server>>) -> Result<&'static str, Problem> {
    match server.engine.ready().await {
        Ok(()) => Ok("ok\n"),
        Err(Unready::Draining) => Err(draining()),
        Err(unready) => {
            let problem = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_not_writable",
                unready.to_string(),
            );
            Err(problem.hint("see whether the disk is full, read-only or slow"))
        }
    }
}

/// A client finds the platform again after this long: it has ended by then, and another has started.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What is refused because the platform is ending.
pub(crate) fn draining() -> Problem {
    let detail = Unready::Draining.to_string();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail)
        .hint("send the request again in a few seconds")
        .retry_after(RETRY_AFTER_SECONDS)
}
