//! Bindings: which app an account, an order or an exam belongs to.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_store::{Binding, BindingKey};
use larkspur_wire::AppId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page;
use crate::body::{JsonBody, Params};
use crate::problem::{AnyRefusal, BodyRefusal, Missing, Problem, QueryRefusal};
use crate::server::Server;

/// The longest name of a kind, and the longest id, in bytes; official ids have 19 digits.
const NAME_BYTES_MAX: usize = 256;

/// The app to bind to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindTo {
    /// The one app that receives events about it.
    #[schema(value_type = String)]
    app_id: AppId,
}

/// "Events that name this thing go to this app."
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Binding)]
pub(crate) struct BindingView {
    /// The kind, as the catalogue names it: `account`, `background_check`, `exam`, …
    kind: String,
    /// The id within that kind.
    id: String,
    /// The app.
    app_id: String,
}

/// One page of bindings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BindingList {
    /// In order of kind and id.
    items: Vec<BindingView>,
    /// Where the next page starts; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BindingPage {
    /// At most this many, 1 to 1,000; 50 when left out.
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl From<Binding> for BindingView {
    fn from(Binding { key, app_id }: Binding) -> Self {
        Self {
            kind: key.kind,
            id: key.id,
            app_id: app_id.to_string(),
        }
    }
}

/// Lists bindings.
#[utoipa::path(get, path = "/api/v1/bindings",
    operation_id = "list_bindings", tag = "bindings", params(BindingPage),
    responses((status = 200, description = "One page.", body = BindingList), AnyRefusal, QueryRefusal))]
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Params(asked): Params<BindingPage>,
) -> Result<Json<BindingList>, Problem> {
    let limit = page::limit(asked.limit)?;
    let after = asked.after.as_deref().map(cursor).transpose()?;
    let mut rows = server.engine.store().bindings(after.as_ref(), limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| format!("{}/{}", row.key.kind, row.key.id));
    Ok(Json(BindingList {
        items: rows.into_iter().map(Into::into).collect(),
        next,
    }))
}

fn cursor(text: &str) -> Result<BindingKey, Problem> {
    let split = text.split_once('/');
    let (kind, id) = split.ok_or_else(|| Problem::bad_query("after", "`after` is not the `next` of a page"))?;
    Ok(BindingKey {
        kind: kind.to_owned(),
        id: id.to_owned(),
    })
}

/// Shows one binding.
#[utoipa::path(get, path = "/api/v1/bindings/{kind}/{id}",
    operation_id = "show_binding", tag = "bindings",
    params(("kind" = String, Path, description = "The kind."), ("id" = String, Path, description = "The id.")),
    responses((status = 200, description = "The binding.", body = BindingView), AnyRefusal, Missing))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Json<BindingView>, Problem> {
    let key = BindingKey { kind, id };
    let app_id = server
        .engine
        .store()
        .binding(&key)
        .await?
        .ok_or_else(|| unknown(&key))?;
    Ok(Json(Binding { key, app_id }.into()))
}

/// Binds a thing to an app, replacing what it was bound to.
#[utoipa::path(put, path = "/api/v1/bindings/{kind}/{id}",
    operation_id = "put_binding", tag = "bindings", request_body = BindTo,
    params(("kind" = String, Path, description = "The kind."), ("id" = String, Path, description = "The id.")),
    responses((status = 200, description = "The binding.", body = BindingView), AnyRefusal, BodyRefusal, Missing))]
pub(crate) async fn put(
    State(server): State<Arc<Server>>,
    Path((kind, id)): Path<(String, String)>,
    JsonBody(BindTo { app_id }): JsonBody<BindTo>,
) -> Result<Json<BindingView>, Problem> {
    if kind.is_empty() || kind.contains('/') || kind.len().max(id.len()) > NAME_BYTES_MAX {
        let detail = format!("a binding has a kind without `/` and an id, each of at most {NAME_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_binding", detail));
    }
    let binding = Binding {
        key: BindingKey { kind, id },
        app_id,
    };
    server.engine.bind(binding.clone()).await?;
    Ok(Json(binding.into()))
}

/// Removes a binding.
#[utoipa::path(delete, path = "/api/v1/bindings/{kind}/{id}",
    operation_id = "delete_binding", tag = "bindings",
    params(("kind" = String, Path, description = "The kind."), ("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "It is gone."), AnyRefusal, Missing))]
pub(crate) async fn delete(
    State(server): State<Arc<Server>>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let key = BindingKey { kind, id };
    if server.engine.unbind(&key).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&key))
    }
}

fn unknown(key: &BindingKey) -> Problem {
    Problem::not_found("binding", &format!("{}/{}", key.kind, key.id))
}
