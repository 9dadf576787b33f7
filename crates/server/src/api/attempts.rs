//! Attempts as they were written down, for whoever follows what happens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use larkspur_store::{AttemptQuery, LoggedAttempt};
use larkspur_wire::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::{AttemptView, next_try};
use super::page;
use super::word::State as Stands;
use crate::body::Params;
use crate::problem::{AnyRefusal, Problem, QueryRefusal};
use crate::server::Server;

/// An attempt with what it was made for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedAttempt)]
pub(crate) struct LoggedAttemptView {
    /// The event.
    event_id: String,
    /// What happened.
    event_type: String,
    /// The app.
    app_id: String,
    /// The delivery.
    delivery_id: String,
    /// Where the delivery stands now.
    state: Stands,
    /// When it is pushed next, while it is pending and this is its last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<i64>,
    /// The attempt.
    attempt: AttemptView,
}

/// Attempts in the order they were written down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptFeedView {
    /// The oldest first.
    items: Vec<LoggedAttemptView>,
    /// Ask with this as `after` for what comes next; there is always one.
    next: String,
    /// Whether there is nothing more at the moment. Until then, ask again at once: a narrow filter may leave an answer
    /// empty before the last one.
    caught_up: bool,
}

/// Which attempts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptFilter {
    /// Only those of events of this type, or of those that fit a pattern such as `hire.*`.
    event_type: Option<String>,
    /// Only those of this app.
    app_id: Option<String>,
    /// Only those of deliveries that are in this state now.
    state: Option<Stands>,
    /// Only those that began at this time or later, in milliseconds since 1970. With neither this nor `after`, those
    /// written from now on.
    since: Option<i64>,
    /// The `next` of the answer before.
    after: Option<String>,
    /// At most this many, 1 to 1,000; 50 when left out.
    limit: Option<u32>,
}

impl From<&LoggedAttempt> for LoggedAttemptView {
    fn from(logged: &LoggedAttempt) -> Self {
        let LoggedAttempt {
            attempt,
            delivery,
            event_type,
        } = logged;
        let is_last = delivery.attempts == attempt.number;
        Self {
            event_id: delivery.event_id.to_string(),
            event_type: event_type.to_string(),
            app_id: delivery.app_id.to_string(),
            delivery_id: delivery.id.to_string(),
            state: delivery.state.into(),
            next_try_at: next_try(delivery).filter(|_| is_last),
            attempt: attempt.into(),
        }
    }
}

/// Lists attempts in the order they were written down, for whoever follows what happens.
#[utoipa::path(get, path = "/api/v1/attempts",
    operation_id = "follow_attempts", tag = "deliveries", params(AttemptFilter),
    responses((status = 200, description = "What was written since.", body = AttemptFeedView), AnyRefusal, QueryRefusal))]
pub(crate) async fn follow(
    State(server): State<Arc<Server>>,
    Params(asked): Params<AttemptFilter>,
) -> Result<Json<AttemptFeedView>, Problem> {
    let query = AttemptQuery {
        event_type: page::id("event_type", asked.event_type.as_deref())?,
        app_id: page::id("app_id", asked.app_id.as_deref())?,
        state: asked.state.map(Into::into),
        since: asked.since.map(TimestampMs),
        after: asked.after,
        limit: page::limit(asked.limit)?,
    };
    let feed = server.engine.store().attempt_feed(&query).await?;
    Ok(Json(AttemptFeedView {
        items: feed.rows.iter().map(Into::into).collect(),
        next: feed.next,
        caught_up: feed.caught_up,
    }))
}
