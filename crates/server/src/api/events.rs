//! Events as the log has them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use larkspur_store::{DeliveryQuery, EventQuery, EventRow};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::deliveries::DeliveryView;
use super::page;
use super::word::State as Stands;
use crate::body::Params;
use crate::problem::{AnyRefusal, Missing, Problem, QueryRefusal};
use crate::server::Server;

/// An event with its deliveries shows at most this many of them; the rest is found by `GET /api/v1/deliveries`.
const DELIVERIES_SHOWN_MAX: u32 = 100;

/// An accepted event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    /// The idempotency key.
    event_id: String,
    /// What happened.
    event_type: String,
    /// The tenant it happened in; `null` for types of no tenant.
    tenant_key: Option<String>,
    /// When it happened, in milliseconds since 1970.
    create_time: i64,
    /// When the platform took it.
    accepted_at: i64,
    /// The payload as it was published.
    #[schema(value_type = Object)]
    event: Box<RawValue>,
    /// What became of it, with attempts, the newest first, at most 100; missing in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<DeliveryView>>,
}

/// One page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    /// The newest first.
    items: Vec<EventView>,
    /// Where the next page starts; missing on the last one. A narrow filter may leave a page short, or empty, before
    /// the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// Only this one.
    event_id: Option<String>,
    /// Only this type, or those that fit a pattern such as `hire.*`.
    event_type: Option<String>,
    /// Only this tenant.
    tenant_key: Option<String>,
    /// Only those that have a delivery for this app.
    app_id: Option<String>,
    /// Only those that have a delivery in this state, for that app if one is named.
    state: Option<Stands>,
    /// Only those accepted at this time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Only those accepted before this time.
    to: Option<i64>,
    /// At most this many, 1 to 1,000; 50 when left out.
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl EventView {
    fn new(row: EventRow) -> Result<Self, Problem> {
        let event = serde_json::from_slice(&row.payload).map_err(|error| Problem::internal(&error))?;
        Ok(Self {
            event_id: row.id.to_string(),
            event_type: row.event_type.to_string(),
            tenant_key: row.tenant_key.map(|tenant| tenant.to_string()),
            create_time: row.create_time.0,
            accepted_at: row.accepted_at.0,
            event,
            deliveries: None,
        })
    }
}

/// Lists events, the newest first.
#[utoipa::path(get, path = "/api/v1/events",
    operation_id = "list_events", tag = "events", params(EventFilter),
    responses((status = 200, description = "One page.", body = EventList), AnyRefusal, QueryRefusal))]
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Params(asked): Params<EventFilter>,
) -> Result<Json<EventList>, Problem> {
    let query = EventQuery {
        event_id: page::id("event_id", asked.event_id.as_deref())?,
        event_type: page::id("event_type", asked.event_type.as_deref())?,
        tenant_key: page::id("tenant_key", asked.tenant_key.as_deref())?,
        app_id: page::id("app_id", asked.app_id.as_deref())?,
        state: asked.state.map(Into::into),
        accepted: page::accepted(asked.from, asked.to),
        after: asked.after,
        limit: page::limit(asked.limit)?,
    };
    let found = server.engine.store().events(&query).await?;
    let items = found.rows.into_iter().map(EventView::new).collect::<Result<_, _>>()?;
    Ok(Json(EventList {
        items,
        next: found.next,
    }))
}

/// Shows one event with its deliveries and their attempts.
#[utoipa::path(get, path = "/api/v1/events/{event_id}",
    operation_id = "show_event", tag = "events",
    params(("event_id" = String, Path, description = "The event.")),
    responses((status = 200, description = "The event.", body = EventView), AnyRefusal, Missing))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(event_id): Path<String>,
) -> Result<Json<EventView>, Problem> {
    let unknown = || Problem::not_found("event", &event_id);
    let id = event_id.parse().map_err(|_| unknown())?;
    let store = server.engine.store();
    let row = store.event(&id).await?.ok_or_else(unknown)?;
    let query = DeliveryQuery {
        event_id: Some(id),
        limit: DELIVERIES_SHOWN_MAX,
        ..DeliveryQuery::default()
    };
    let mut deliveries = Vec::new();
    for delivery in &store.deliveries(&query).await?.rows {
        deliveries.push(DeliveryView::with_attempts(&server, delivery).await?);
    }
    Ok(Json(EventView {
        deliveries: Some(deliveries),
        ..EventView::new(row)?
    }))
}
