//! Every route of the server, on one page.
//!
//! The paths of the admin API stand with their handlers, from which the OpenAPI document is made as well; the comments
//! here repeat them for the reader.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use bytes::Bytes;
use larkspur_wire::endpoint::{CONNECTION_PATH, ENDPOINT_PATH};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    again, apps, attempts, backup, bindings, callbacks, calls, clock, deliveries, event_types, events, jobs, metrics,
    probe, publish, resources, sessions, status, tokens,
};
use crate::problem::Problem;
use crate::server::Server;
use crate::{auth, open};

/// Where the OpenAPI document is served.
const OPENAPI_PATH: &str = "/api/v1/openapi.json";

/// Whoever asks, by whatever name or address.
fn probes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(probe::alive)) // GET /healthz
        .routes(routes!(probe::ready)) // GET /readyz
}

/// Who may read the metrics.
fn monitors() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new().routes(routes!(metrics::show)) // GET /metrics
}

/// Who has a token that publishes: each of these asks for a [`Producer`](auth::Producer).
fn producers() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(publish::publish)) // POST /api/v1/events
        .routes(routes!(callbacks::call)) // POST /api/v1/callbacks
}

/// Who has an admin token.
fn administrators() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(apps::list, apps::create)) // GET POST /api/v1/apps
        .routes(routes!(apps::show, apps::update, apps::delete)) // GET PATCH DELETE /api/v1/apps/{app_id}
        .routes(routes!(apps::publish_version)) // POST /api/v1/apps/{app_id}/versions
        .routes(routes!(resources::list)) // GET /api/v1/apps/{app_id}/resource-subscriptions
        .routes(routes!(resources::put, resources::delete)) // PUT DELETE …/resource-subscriptions/{event_type}/{resource}
        .routes(routes!(bindings::list)) // GET /api/v1/bindings
        .routes(routes!(bindings::show, bindings::put, bindings::delete)) // GET PUT DELETE /api/v1/bindings/{kind}/{id}
        .routes(routes!(events::list)) // GET /api/v1/events
        .routes(routes!(events::show)) // GET /api/v1/events/{event_id}
        .routes(routes!(deliveries::list)) // GET /api/v1/deliveries
        .routes(routes!(deliveries::show)) // GET /api/v1/deliveries/{delivery_id}
        .routes(routes!(attempts::follow)) // GET /api/v1/attempts
        .routes(routes!(again::resend_event)) // POST /api/v1/events/{event_id}/resend
        .routes(routes!(again::resend_delivery)) // POST /api/v1/deliveries/{delivery_id}/resend
        .routes(routes!(again::recover)) // POST /api/v1/recoveries
        .routes(routes!(again::replay)) // POST /api/v1/replays
        .routes(routes!(jobs::list)) // GET /api/v1/jobs
        .routes(routes!(jobs::show, jobs::cancel)) // GET DELETE /api/v1/jobs/{job_id}
        .routes(routes!(event_types::list)) // GET /api/v1/event-types
        .routes(routes!(event_types::show)) // GET /api/v1/event-types/{event_type}
        .routes(routes!(event_types::sample)) // GET /api/v1/event-types/{event_type}/sample
        .routes(routes!(sessions::list)) // GET /api/v1/sessions
        .routes(routes!(calls::list)) // GET /api/v1/open-api-calls
        .routes(routes!(tokens::list, tokens::create)) // GET POST /api/v1/tokens
        .routes(routes!(tokens::delete)) // DELETE /api/v1/tokens/{name}
        .routes(routes!(clock::show, clock::set)) // GET POST /api/v1/clock
        .routes(routes!(clock::advance_by)) // POST /api/v1/clock/advance
        .routes(routes!(status::settings)) // GET /api/v1/settings
        .routes(routes!(status::counters)) // GET /api/v1/counters
        .routes(routes!(backup::make)) // POST /api/v1/backup
}

/// The open platform, as apps see it; they prove themselves in the request.
fn open_platform() -> Router<Arc<Server>> {
    Router::new()
        .route(ENDPOINT_PATH, post(open::endpoint)) // POST /callback/ws/endpoint
        .route(CONNECTION_PATH, get(open::upgrade)) // GET /ws/v2
        .route(
            "/open-apis/auth/v3/tenant_access_token/internal",
            post(open::tenant_token_internal),
        )
        .route("/open-apis/auth/v3/tenant_access_token", post(open::tenant_token_store))
        .route(
            "/open-apis/auth/v3/app_access_token/internal",
            post(open::app_token_internal),
        )
        .route("/open-apis/auth/v3/app_access_token", post(open::app_token_store))
        .route("/open-apis/auth/v3/app_ticket/resend", post(open::resend_ticket))
        .route("/open-apis/{*path}", any(open::unknown))
        .method_not_allowed_fallback(open::method_not_allowed)
        .layer(from_fn(open::log_id))
}

/// Everything the server answers.
pub(crate) fn router(server: Arc<Server>, mount: Router) -> Router {
    let administrators = administrators().route_layer(from_fn_with_state(Arc::clone(&server), auth::admin));
    let monitors = monitors().route_layer(from_fn_with_state(Arc::clone(&server), auth::metrics));
    let (api, _) = producers().merge(monitors).merge(administrators).split_for_parts();
    let (probes, _) = probes().split_for_parts();
    let document = Bytes::from(openapi().to_json().expect("the document is plain data"));
    let document = move || ready(([(header::CONTENT_TYPE, "application/json")], document.clone()));
    api.route(OPENAPI_PATH, get(document))
        .merge(open_platform())
        .with_state(Arc::clone(&server))
        .merge(mount)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .merge(probes.with_state(server))
}

/// The OpenAPI document of the admin API, as served at `/api/v1/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "Larkspur admin API",
            description = "Apps, events and deliveries of a Larkspur platform."
        ),
        components(schemas(crate::problem::Document))
    )]
    struct Document;

    let all = probes().merge(producers()).merge(monitors()).merge(administrators());
    let mut document = Document::openapi();
    document.merge(all.into_openapi());
    document.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("token", scheme);
    document
}

async fn no_such_path(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "path_not_found",
        format!("there is no {method} {}", uri.path()),
    )
    .hint(format!("{OPENAPI_PATH} lists the paths of the admin API"))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
    )
    .hint(format!("{OPENAPI_PATH} lists the methods of the admin API"))
}
