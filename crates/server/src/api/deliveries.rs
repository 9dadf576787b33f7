//! Deliveries and their attempts, as the log has them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use larkspur_store::{Attempt, Delivery, DeliveryId, DeliveryQuery, DeliveryState, Order, WAITING};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page;
use super::word::{PushMode, State as Stands};
use crate::body::Params;
use crate::problem::{AnyRefusal, Missing, Problem, QueryRefusal};
use crate::server::Server;

/// One event for one app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    /// Its id.
    delivery_id: String,
    /// The event.
    event_id: String,
    /// The app.
    app_id: String,
    /// Where it stands.
    state: Stands,
    /// Attempts made so far.
    attempts: u32,
    /// When it is pushed next, while it is pending and does not wait for another one to go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    /// Paths of the fields that this app may not see.
    withheld: Vec<String>,
    /// The attempts, in order; missing in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt_log: Option<Vec<AttemptView>>,
}

/// One try to hand a delivery over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    /// Counts from 1.
    number: u32,
    /// When it began.
    started_at: i64,
    /// How it was pushed.
    mode: PushMode,
    /// Where it went: the URL's host and path, or the session's id; empty when there was nowhere to go.
    target: String,
    /// HTTP status or ack code, when one came.
    code: Option<i32>,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// The first bytes of the answer, as text.
    answer: String,
    /// Why it failed; `null` when it was delivered.
    error: Option<String>,
}

/// One page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    /// The newest first.
    items: Vec<DeliveryView>,
    /// Where the next page starts; missing on the last one. A narrow filter may leave a page short, or empty, before
    /// the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryFilter {
    /// Only those of this event.
    event_id: Option<String>,
    /// Only those of events of this type, or of those that fit a pattern such as `hire.*`.
    event_type: Option<String>,
    /// Only those of events of this tenant.
    tenant_key: Option<String>,
    /// Only those of this app.
    app_id: Option<String>,
    /// Only those in this state.
    state: Option<Stands>,
    /// Only those of events accepted at this time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Only those of events accepted before this time.
    to: Option<i64>,
    /// At most this many, 1 to 1,000; 50 when left out.
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl DeliveryView {
    /// The delivery without its attempts.
    pub(super) fn new(row: &Delivery) -> Self {
        Self {
            delivery_id: row.id.to_string(),
            event_id: row.event_id.to_string(),
            app_id: row.app_id.to_string(),
            state: row.state.into(),
            attempts: row.attempts,
            due_at: next_try(row),
            withheld: row.withheld.clone(),
            attempt_log: None,
        }
    }

    /// The delivery with its attempts.
    pub(super) async fn with_attempts(server: &Server, row: &Delivery) -> Result<Self, Problem> {
        let attempts = server.engine.store().attempts(row.id).await?;
        Ok(Self {
            attempt_log: Some(attempts.iter().map(Into::into).collect()),
            ..Self::new(row)
        })
    }
}

/// When a delivery is pushed next, if that is known.
pub(super) fn next_try(row: &Delivery) -> Option<i64> {
    let known = row.state == DeliveryState::Pending && row.due_at != WAITING;
    known.then_some(row.due_at.0)
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at.0,
            mode: attempt.mode.into(),
            target: attempt.target.clone(),
            code: attempt.code,
            took_ms: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
            answer: String::from_utf8_lossy(&attempt.answer).into_owned(),
            error: attempt.error.clone(),
        }
    }
}

/// Lists deliveries, the newest first.
#[utoipa::path(get, path = "/api/v1/deliveries",
    operation_id = "list_deliveries", tag = "deliveries", params(DeliveryFilter),
    responses((status = 200, description = "One page.", body = DeliveryList), AnyRefusal, QueryRefusal))]
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Params(asked): Params<DeliveryFilter>,
) -> Result<Json<DeliveryList>, Problem> {
    let query = DeliveryQuery {
        event_id: page::id("event_id", asked.event_id.as_deref())?,
        event_type: page::id("event_type", asked.event_type.as_deref())?,
        tenant_key: page::id("tenant_key", asked.tenant_key.as_deref())?,
        app_id: page::id("app_id", asked.app_id.as_deref())?,
        state: asked.state.map(Into::into),
        undelivered: false,
        accepted: page::accepted(asked.from, asked.to),
        order: Order::NewestFirst,
        after: page::id("after", asked.after.as_deref())?,
        limit: page::limit(asked.limit)?,
    };
    let found = server.engine.store().deliveries(&query).await?;
    Ok(Json(DeliveryList {
        items: found.rows.iter().map(DeliveryView::new).collect(),
        next: found.next,
    }))
}

/// Shows one delivery with its attempts.
#[utoipa::path(get, path = "/api/v1/deliveries/{delivery_id}",
    operation_id = "show_delivery", tag = "deliveries",
    params(("delivery_id" = String, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery.", body = DeliveryView), AnyRefusal, Missing))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(delivery_id): Path<String>,
) -> Result<Json<DeliveryView>, Problem> {
    let unknown = || Problem::not_found("delivery", &delivery_id);
    let id: DeliveryId = delivery_id.parse().map_err(|_| unknown())?;
    let row = server.engine.store().delivery(id).await?.ok_or_else(unknown)?;
    Ok(Json(DeliveryView::with_attempts(&server, &row).await?))
}
