//! `/open-apis/auth/v3`: access tokens of custom and store apps, and the ticket that store apps need for theirs.
//!
//! Tokens stand at the top level of the answer, not in `data`.
//!
//! <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larkspur_platform::ErrorStatus;
use larkspur_platform::token::{self, Bearer, Token};
use larkspur_store::{App, AppKind};
use larkspur_wire::endpoint::ENDPOINT_BYTES_MAX;
use larkspur_wire::open_api::{TokenRequest, write_ok, write_tokens};
use larkspur_wire::{AppId, Secret, TenantKey, code};

use super::envelope::{LogId, OpenError, json};
use super::{BadCredentials, authenticate};
use crate::body;
use crate::server::Server;

/// Why no token is issued.
struct Refusal {
    code: i64,
    msg: String,
}

fn refuse<T>(code: i64, msg: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, msg: msg.into() })
}

/// `POST /open-apis/auth/v3/tenant_access_token/internal`
pub(crate) async fn tenant_token_internal(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    request: Request,
) -> Response {
    let answered = async {
        let app = credentials(&server, &asked(request).await?, AppKind::Custom)?;
        let token = tenant_token(&server, &app)?;
        Ok(write_tokens("ok", None, Some(&token.secret), token.expires_in_seconds))
    };
    answer(&server, log_id, answered.await)
}

/// `POST /open-apis/auth/v3/app_access_token/internal`
pub(crate) async fn app_token_internal(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    request: Request,
) -> Response {
    let answered = async {
        let app = credentials(&server, &asked(request).await?, AppKind::Custom)?;
        let tenant = tenant_token(&server, &app)?;
        let token = token::issue(&app, &Bearer::App(app.id.clone()), server.now());
        Ok(write_tokens(
            "ok",
            Some(&token.secret),
            Some(&tenant.secret),
            token.expires_in_seconds,
        ))
    };
    answer(&server, log_id, answered.await)
}

/// `POST /open-apis/auth/v3/app_access_token`
pub(crate) async fn app_token_store(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    request: Request,
) -> Response {
    let answered = async {
        let asked = asked(request).await?;
        let app = credentials(&server, &asked, AppKind::Store)?;
        let ticket = required(asked.app_ticket.as_ref(), "app_ticket")?;
        if !token::ticket_matches(&app, ticket.expose(), server.now()) {
            return refuse(
                code::NO_APP_TOKEN,
                "app ticket is invalid; ask for a new one with app_ticket/resend",
            );
        }
        let token = token::issue(&app, &Bearer::App(app.id.clone()), server.now());
        Ok(write_tokens(
            "success",
            Some(&token.secret),
            None,
            token.expires_in_seconds,
        ))
    };
    answer(&server, log_id, answered.await)
}

/// `POST /open-apis/auth/v3/tenant_access_token`
pub(crate) async fn tenant_token_store(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    request: Request,
) -> Response {
    let answered = async {
        let asked = asked(request).await?;
        let app_token = required(asked.app_access_token.as_ref(), "app_access_token")?;
        let tenant = required(asked.tenant_key.as_ref(), "tenant_key")?;
        let Some(app) = app_of(&server, app_token).filter(|app| app.kind == AppKind::Store) else {
            return refuse(code::NO_TENANT_TOKEN, "app_access_token is invalid or has expired");
        };
        let tenant: Option<TenantKey> = tenant.parse().ok().filter(|tenant| app.tenants.contains(tenant));
        let Some(tenant) = tenant else {
            return refuse(
                code::APP_UNAUTHORISED,
                format!("`{}` is not installed in this tenant", app.id),
            );
        };
        let token = token::issue(&app, &Bearer::Tenant(app.id.clone(), tenant), server.now());
        Ok(write_tokens("ok", None, Some(&token.secret), token.expires_in_seconds))
    };
    answer(&server, log_id, answered.await)
}

/// `POST /open-apis/auth/v3/app_ticket/resend`
pub(crate) async fn resend_ticket(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    request: Request,
) -> Response {
    let answered = async {
        let app = known(&server, &asked(request).await?)?;
        if app.kind != AppKind::Store {
            return refuse(
                code::TICKET_RESEND_FAILED,
                format!("`{}` is a custom app and has no ticket", app.id),
            );
        }
        push_ticket(&server, &app.id).await?;
        Ok(write_ok("ok"))
    };
    answer(&server, log_id, answered.await)
}

async fn push_ticket(server: &Server, app: &AppId) -> Result<(), Refusal> {
    server.engine.push_app_ticket(app).await.map_err(|error| {
        tracing::error!(app.id = %app, error = %crate::problem::chain(&error), "could not push an app ticket");
        Refusal {
            code: code::TICKET_RESEND_FAILED,
            msg: "the ticket could not be pushed".to_owned(),
        }
    })?;
    Ok(())
}

fn answer(server: &Server, log_id: LogId, answered: Result<Vec<u8>, Refusal>) -> Response {
    let Refusal { code, msg } = match answered {
        Ok(body) => return json(StatusCode::OK, body),
        Err(refusal) => refusal,
    };
    let status = match server.engine.settings().assumptions.open_api_error_status {
        ErrorStatus::BadRequest => StatusCode::BAD_REQUEST,
        ErrorStatus::Ok => StatusCode::OK,
    };
    OpenError {
        status,
        code,
        msg,
        log_id,
    }
    .into_response()
}

/// Reads the body as JSON whatever its content type says: Python sends none.
async fn asked(request: Request) -> Result<TokenRequest, Refusal> {
    let body = body::read(request, ENDPOINT_BYTES_MAX).await;
    let body = body.map_err(|problem| Refusal {
        code: code::INVALID_PARAM,
        msg: problem.code().to_owned(),
    })?;
    serde_json::from_slice(&body).or_else(|error| refuse(code::INVALID_PARAM, format!("invalid param: {error}")))
}

fn required<'a, T>(member: Option<&'a T>, name: &str) -> Result<&'a T, Refusal> {
    member.ok_or_else(|| Refusal {
        code: code::INVALID_PARAM,
        msg: format!("invalid param: `{name}` is missing"),
    })
}

/// The app of the credentials, which must be of this kind: each has token interfaces of its own.
fn credentials(server: &Server, asked: &TokenRequest, kind: AppKind) -> Result<Arc<App>, Refusal> {
    let app = known(server, asked)?;
    match (kind, app.kind == kind) {
        (_, true) => Ok(app),
        (AppKind::Custom, false) => refuse(
            code::INVALID_PARAM,
            format!(
                "`{}` is a store app; use the interfaces without /internal, with its app_ticket",
                app.id
            ),
        ),
        (AppKind::Store, false) => refuse(
            code::INVALID_PARAM,
            format!("`{}` is a custom app; use the interfaces with /internal", app.id),
        ),
    }
}

fn known(server: &Server, asked: &TokenRequest) -> Result<Arc<App>, Refusal> {
    let app_id = required(asked.app_id.as_ref(), "app_id")?;
    let app_secret = required(asked.app_secret.as_ref(), "app_secret")?;
    match authenticate(&server.engine.apps(), app_id, app_secret) {
        Ok(app) => Ok(app),
        Err(BadCredentials::App) => refuse(code::INVALID_PARAM, "invalid param: no app has this app_id"),
        Err(BadCredentials::Secret) => refuse(code::WRONG_SECRET, "app secret is wrong"),
    }
}

/// A custom app's token for the one tenant it belongs to.
fn tenant_token(server: &Server, app: &App) -> Result<Token, Refusal> {
    let Some(tenant) = app.tenants.first() else {
        return refuse(
            code::APP_UNAUTHORISED,
            format!("`{}` is not installed in any tenant", app.id),
        );
    };
    Ok(token::issue(
        app,
        &Bearer::Tenant(app.id.clone(), tenant.clone()),
        server.now(),
    ))
}

/// The app that a valid `app_access_token` speaks for.
fn app_of(server: &Server, app_token: &Secret) -> Option<Arc<App>> {
    let apps = server.engine.apps();
    let app = apps.get(&token::app_of(app_token.expose())?)?;
    let bearer = token::verify(app, app_token.expose(), server.now())?;
    matches!(bearer, Bearer::App(_)).then(|| Arc::clone(app))
}
