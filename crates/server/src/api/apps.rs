//! Apps: made, changed, published, removed.

mod request;
mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_store::App;
use larkspur_wire::AppId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body::{JsonBody, Params};
use crate::problem::{AnyRefusal, BodyRefusal, Conflicting, Missing, Problem, QueryRefusal};
use crate::server::Server;
use request::{AppCreate, AppPatch};
use view::AppView;

/// Whether secrets are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Reveal {
    /// Shows App Secret, Verification Token and Encrypt Key.
    reveal: bool,
}

/// All apps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppList {
    /// In order of id.
    items: Vec<AppView>,
}

/// Lists all apps.
#[utoipa::path(get, path = "/api/v1/apps",
    operation_id = "list_apps", tag = "apps",
    responses((status = 200, description = "All apps.", body = AppList), AnyRefusal))]
pub(crate) async fn list(State(server): State<Arc<Server>>) -> Json<AppList> {
    let view = |app: &Arc<App>| AppView::hidden(app, server.engine.hub().online(&app.id));
    Json(AppList {
        items: server.engine.apps().iter().map(view).collect(),
    })
}

/// Makes an app. The answer shows its secrets; `GET …?reveal=true` shows them again.
#[utoipa::path(post, path = "/api/v1/apps",
    operation_id = "create_app", tag = "apps", request_body = AppCreate,
    responses((status = 201, description = "The app, with its secrets.", body = AppView),
        AnyRefusal, BodyRefusal, Conflicting))]
pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    JsonBody(body): JsonBody<AppCreate>,
) -> Result<(StatusCode, Json<AppView>), Problem> {
    let app = server.engine.create_app(body.into_new_app()).await?;
    Ok((StatusCode::CREATED, Json(AppView::revealed(&app, 0))))
}

/// Shows one app.
#[utoipa::path(get, path = "/api/v1/apps/{app_id}",
    operation_id = "show_app", tag = "apps",
    params(("app_id" = String, Path, description = "The app."), Reveal),
    responses((status = 200, description = "The app.", body = AppView), AnyRefusal, QueryRefusal, Missing))]
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(app_id): Path<String>,
    Params(Reveal { reveal }): Params<Reveal>,
) -> Result<Json<AppView>, Problem> {
    let id = app_id_of(&app_id)?;
    let apps = server.engine.apps();
    let app = apps.get(&id).ok_or_else(|| unknown_app(&app_id))?;
    let online = server.engine.hub().online(&id);
    Ok(Json(if reveal {
        AppView::revealed(app, online)
    } else {
        AppView::hidden(app, online)
    }))
}

/// Changes an app; what is left out stays.
#[utoipa::path(patch, path = "/api/v1/apps/{app_id}",
    operation_id = "update_app", tag = "apps",
    params(("app_id" = String, Path, description = "The app."), Reveal), request_body = AppPatch,
    responses((status = 200, description = "The app as it is now.", body = AppView),
        AnyRefusal, BodyRefusal, Missing))]
pub(crate) async fn update(
    State(server): State<Arc<Server>>,
    Path(app_id): Path<String>,
    Params(Reveal { reveal }): Params<Reveal>,
    JsonBody(body): JsonBody<AppPatch>,
) -> Result<Json<AppView>, Problem> {
    let id = app_id_of(&app_id)?;
    let app = server.engine.update_app(&id, body.into_change()).await?;
    let online = server.engine.hub().online(&id);
    Ok(Json(if reveal {
        AppView::revealed(&app, online)
    } else {
        AppView::hidden(&app, online)
    }))
}

/// Removes an app; what waits to be pushed to it is given up.
#[utoipa::path(delete, path = "/api/v1/apps/{app_id}",
    operation_id = "delete_app", tag = "apps",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 204, description = "It is gone."), AnyRefusal, Missing))]
pub(crate) async fn delete(
    State(server): State<Arc<Server>>,
    Path(app_id): Path<String>,
) -> Result<StatusCode, Problem> {
    server.engine.delete_app(&app_id_of(&app_id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Publishes a version: puts the draft in force.
#[utoipa::path(post, path = "/api/v1/apps/{app_id}/versions", tag = "apps",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 201, description = "The app with its new version.", body = AppView), AnyRefusal, Missing))]
pub(crate) async fn publish_version(
    State(server): State<Arc<Server>>,
    Path(app_id): Path<String>,
) -> Result<(StatusCode, Json<AppView>), Problem> {
    let id = app_id_of(&app_id)?;
    let app = server.engine.publish_version(&id).await?;
    Ok((
        StatusCode::CREATED,
        Json(AppView::hidden(&app, server.engine.hub().online(&id))),
    ))
}

/// The id in a path; text that is none names no app.
pub(super) fn app_id_of(text: &str) -> Result<AppId, Problem> {
    text.parse().map_err(|_| unknown_app(text))
}

pub(super) fn unknown_app(text: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_app",
        format!("no app has the id `{text}`"),
    )
    .hint("GET /api/v1/apps lists the apps")
}
