//! The catalogue of event types: what exists, who may have it, what its payload looks like.

mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_catalog::EventTypeFacts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::body::Params;
use crate::problem::{AnyRefusal, Missing, Problem, QueryRefusal};
use crate::server::Server;
use view::EventTypeView;

/// All event types that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypeList {
    /// In order of name.
    items: Vec<EventTypeView>,
}

/// Which event types.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Matching {
    /// A name in which `*` stands for any characters, for example `hire.*`.
    r#match: Option<String>,
}

/// An event that can be published as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sample {
    /// The type.
    event_type: String,
    /// A payload that fits it: the official example where there is one, else made up.
    #[schema(value_type = Object)]
    event: Value,
}

/// Lists event types, without their fields.
#[utoipa::path(get, path = "/api/v1/event-types",
    operation_id = "list_event_types", tag = "event types", params(Matching),
    responses((status = 200, description = "Those that match.", body = EventTypeList), AnyRefusal, QueryRefusal))]
pub(crate) async fn list(State(server): State<Arc<Server>>, Params(asked): Params<Matching>) -> Json<EventTypeList> {
    let pattern = asked.r#match.as_deref().unwrap_or("*");
    let matching = server.engine.catalog().matching(pattern);
    Json(EventTypeList {
        items: matching.map(EventTypeView::brief).collect(),
    })
}

/// Shows one event type with its fields.
#[utoipa::path(get, path = "/api/v1/event-types/{event_type}",
    operation_id = "show_event_type", tag = "event types",
    params(("event_type" = String, Path, description = "The event type.")),
    responses((status = 200, description = "The event type.", body = EventTypeView), AnyRefusal, Missing))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(event_type): Path<String>,
) -> Result<Json<EventTypeView>, Problem> {
    Ok(Json(EventTypeView::full(find(&server, &event_type)?)))
}

/// Shows a sample of an event type, in the form in which it is published.
#[utoipa::path(get, path = "/api/v1/event-types/{event_type}/sample",
    operation_id = "sample_event_type", tag = "event types",
    params(("event_type" = String, Path, description = "The event type.")),
    responses((status = 200, description = "A sample.", body = Sample), AnyRefusal, Missing))]
pub(crate) async fn sample(
    State(server): State<Arc<Server>>,
    Path(event_type): Path<String>,
) -> Result<Json<Sample>, Problem> {
    let event = find(&server, &event_type)?.sample();
    Ok(Json(Sample { event_type, event }))
}

fn find(server: &Server, event_type: &str) -> Result<&'static EventTypeFacts, Problem> {
    server
        .engine
        .catalog()
        .find(event_type)
        .ok_or_else(|| unknown(server, event_type))
}

/// The answer to a type that does not exist, with the closest one that does.
pub(super) fn unknown(server: &Server, event_type: &str) -> Problem {
    let hint = match server.engine.catalog().suggest(event_type) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "GET /api/v1/event-types lists what exists".to_owned(),
    };
    let detail = format!("the event type `{event_type}` does not exist");
    Problem::new(StatusCode::NOT_FOUND, "unknown_event_type", detail).hint(hint)
}
