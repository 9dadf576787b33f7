//! Resource subscriptions: an app's subscription to one calendar, approval or file, on top of the one to the type.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_store::ResourceSubscription;
use larkspur_wire::AppId;
use serde::Serialize;
use utoipa::ToSchema;

use super::apps::{app_id_of, unknown_app};
use crate::problem::{AnyRefusal, Missing, Problem};
use crate::server::Server;

/// The longest resource id, in bytes.
const RESOURCE_BYTES_MAX: usize = 256;

/// A subscription to one resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceSubscription)]
pub(crate) struct ResourceView {
    /// The subscriber.
    app_id: String,
    /// The event type.
    event_type: String,
    /// The resource's id, or `*` for all of them.
    resource: String,
}

/// An app's resource subscriptions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResourceList {
    /// In order of type and resource.
    items: Vec<ResourceView>,
}

impl From<&ResourceSubscription> for ResourceView {
    fn from(row: &ResourceSubscription) -> Self {
        Self {
            app_id: row.app_id.to_string(),
            event_type: row.event_type.to_string(),
            resource: row.resource.clone(),
        }
    }
}

/// Lists an app's resource subscriptions.
#[utoipa::path(get, path = "/api/v1/apps/{app_id}/resource-subscriptions",
    operation_id = "list_resource_subscriptions", tag = "apps",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 200, description = "All of them.", body = ResourceList), AnyRefusal, Missing))]
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Path(app_id): Path<String>,
) -> Result<Json<ResourceList>, Problem> {
    let id = known(&server, &app_id)?;
    let apps = server.engine.apps();
    let rows = apps.resource_subscriptions().iter().filter(|row| row.app_id == id);
    Ok(Json(ResourceList {
        items: rows.map(Into::into).collect(),
    }))
}

/// Subscribes an app to a resource; `*` means all of the type.
#[utoipa::path(put, path = "/api/v1/apps/{app_id}/resource-subscriptions/{event_type}/{resource}",
    operation_id = "subscribe_resource", tag = "apps",
    params(("app_id" = String, Path, description = "The app."),
        ("event_type" = String, Path, description = "The event type."),
        ("resource" = String, Path, description = "The resource's id, or `*`.")),
    responses((status = 200, description = "The subscription.", body = ResourceView), AnyRefusal, Missing))]
pub(crate) async fn put(
    State(server): State<Arc<Server>>,
    Path((app_id, event_type, resource)): Path<(String, String, String)>,
) -> Result<Json<ResourceView>, Problem> {
    let row = row(&server, &app_id, &event_type, resource)?;
    server.engine.subscribe_resource(row.clone()).await?;
    Ok(Json((&row).into()))
}

/// Ends a resource subscription.
#[utoipa::path(delete, path = "/api/v1/apps/{app_id}/resource-subscriptions/{event_type}/{resource}",
    operation_id = "unsubscribe_resource", tag = "apps",
    params(("app_id" = String, Path, description = "The app."),
        ("event_type" = String, Path, description = "The event type."),
        ("resource" = String, Path, description = "The resource's id, or `*`.")),
    responses((status = 204, description = "It is gone."), AnyRefusal, Missing))]
pub(crate) async fn delete(
    State(server): State<Arc<Server>>,
    Path((app_id, event_type, resource)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let row = row(&server, &app_id, &event_type, resource)?;
    if server.engine.unsubscribe_resource(&row).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let name = format!("{event_type}/{}", row.resource);
    Err(Problem::not_found("resource subscription", &name))
}

fn known(server: &Server, app_id: &str) -> Result<AppId, Problem> {
    let id = app_id_of(app_id)?;
    server
        .engine
        .apps()
        .get(&id)
        .map(|app| app.id.clone())
        .ok_or_else(|| unknown_app(app_id))
}

fn row(server: &Server, app_id: &str, event_type: &str, resource: String) -> Result<ResourceSubscription, Problem> {
    let app_id = known(server, app_id)?;
    let known = server
        .engine
        .catalog()
        .find(event_type)
        .and_then(|_| event_type.parse().ok());
    let event_type = known.ok_or_else(|| super::event_types::unknown(server, event_type))?;
    if resource.len() > RESOURCE_BYTES_MAX {
        return Err(Problem::not_found("resource", "with so long an id"));
    }
    Ok(ResourceSubscription {
        app_id,
        event_type,
        resource,
    })
}
