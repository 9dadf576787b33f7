//! How the platform is set and how it does: settings, counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{AnyRefusal, Problem};
use crate::server::Server;

/// What was counted since the platform started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountersView {
    /// Events, deliveries and attempts.
    engine: BTreeMap<String, u64>,
    /// Persistent connections.
    sessions: BTreeMap<String, u64>,
    /// Refused requests, by code; those of the open API by its codes.
    refused: BTreeMap<String, u64>,
}

/// Shows the settings in force, by table of the configuration file.
#[utoipa::path(get, path = "/api/v1/settings",
    operation_id = "show_settings", tag = "platform",
    responses((status = 200, description = "All settings, defaults included.", body = Object), AnyRefusal))]
pub(crate) async fn settings(State(server): State<Arc<Server>>) -> Result<Json<Value>, Problem> {
    serde_json::to_value(server.engine.settings())
        .map(Json)
        .map_err(|error| Problem::internal(&error))
}

/// Shows what was counted since the platform started.
#[utoipa::path(get, path = "/api/v1/counters",
    operation_id = "show_counters", tag = "platform",
    responses((status = 200, description = "All counters.", body = CountersView), AnyRefusal))]
pub(crate) async fn counters(State(server): State<Arc<Server>>) -> Result<Json<CountersView>, Problem> {
    Ok(Json(CountersView {
        engine: flat(&server.engine.counters())?,
        sessions: flat(&server.engine.hub().counts())?,
        refused: server.refusals(),
    }))
}

/// A struct of counts by the names of its members.
fn flat(counts: &impl Serialize) -> Result<BTreeMap<String, u64>, Problem> {
    serde_json::to_value(counts)
        .and_then(serde_json::from_value)
        .map_err(|error| Problem::internal(&error))
}
