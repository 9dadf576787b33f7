//! API tokens: 256 random bits, kept as their SHA-256, looked up in constant time.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larkspur_store::{ApiToken, Store, StoreError, TokenRole};
use larkspur_wire::{Secret, TimestampMs, hex, sha256};
use subtle::ConstantTimeEq;

use crate::problem::Problem;
use crate::server::Server;

/// More tokens than this are a mistake: each request is compared with every one.
const TOKENS_MAX: usize = 1_000;

/// The tokens in force.
///
/// They are held in memory and written through to the store, which this server is the only one to change.
#[derive(Debug)]
pub(crate) struct Tokens {
    bootstrap: Option<[u8; 32]>,
    rows: RwLock<Arc<[ApiToken]>>,
    /// Held while tokens change, so that two changes of one name follow each other.
    changing: tokio::sync::Mutex<()>,
}

impl Tokens {
    /// Reads the tokens of the store.
    pub(crate) async fn load(store: &dyn Store, bootstrap: Option<&Secret>) -> Result<Self, StoreError> {
        Ok(Self {
            bootstrap: bootstrap.map(|secret| digest(secret.expose())),
            rows: RwLock::new(store.tokens().await?.into()),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// All tokens of the store, in order of name.
    pub(crate) fn rows(&self) -> Arc<[ApiToken]> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a token, which is answered this once and kept as a digest.
    pub(crate) async fn create(
        &self,
        store: &dyn Store,
        name: String,
        role: TokenRole,
        now: TimestampMs,
    ) -> Result<(ApiToken, String), Problem> {
        let _changing = self.changing.lock().await;
        let rows = self.rows();
        if rows.iter().any(|row| row.name == name) {
            let detail = format!("there is a token named `{name}` already");
            return Err(Problem::new(StatusCode::CONFLICT, "token_exists", detail)
                .hint("choose another name, or delete the old token first"));
        }
        if rows.len() >= TOKENS_MAX {
            let detail = format!("there are {TOKENS_MAX} tokens, which is the limit");
            return Err(
                Problem::new(StatusCode::CONFLICT, "too_many_tokens", detail).hint("delete tokens that are not used")
            );
        }
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| Problem::internal(&error))?;
        let token = format!("lk_{}", hex(&bits));
        let row = ApiToken {
            name,
            digest: digest(&token),
            role,
            created_at: now,
        };
        store.save_token(&row).await?;
        self.reload(store).await?;
        Ok((row, token))
    }

    /// Removes a token. Answers whether it existed.
    pub(crate) async fn delete(&self, store: &dyn Store, name: &str) -> Result<bool, StoreError> {
        let _changing = self.changing.lock().await;
        let existed = store.delete_token(name).await?;
        self.reload(store).await?;
        Ok(existed)
    }

    async fn reload(&self, store: &dyn Store) -> Result<(), StoreError> {
        let rows = store.tokens().await?.into();
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    /// What the bearer of the request's token may do.
    fn role(&self, headers: &HeaderMap) -> Result<TokenRole, Problem> {
        let Some(token) = bearer(headers) else {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "token_missing",
                "the request carries no API token",
            )
            .hint("send the header `Authorization: Bearer <token>`"));
        };
        let digest = digest(token);
        let mut role = None;
        // Every token is compared, whichever fits, so that the time tells nothing.
        for row in self.rows().iter() {
            if bool::from(row.digest.ct_eq(&digest)) {
                role = Some(row.role);
            }
        }
        if self
            .bootstrap
            .is_some_and(|bootstrap| bool::from(bootstrap.ct_eq(&digest)))
        {
            role = Some(TokenRole::Admin);
        }
        role.ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "token_unknown", "the API token is not known")
                .hint("tokens are made with POST /api/v1/tokens; `larkspur dev` keeps its own in .larkspur/")
        })
    }
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn digest(token: &str) -> [u8; 32] {
    sha256([token.as_bytes()])
}

/// Lets through who may do everything.
pub(crate) async fn admin(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.tokens.role(request.headers()) {
        Ok(TokenRole::Admin) => next.run(request).await,
        Ok(role) => forbidden(role),
        Err(problem) => unauthorized(problem),
    }
}

/// Somebody who may publish. A handler asks for one instead of standing behind a layer, which would cost each event
/// more than the question.
pub(crate) struct Producer;

impl FromRequestParts<Arc<Server>> for Producer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Response> {
        match server.tokens.role(&parts.headers) {
            Ok(TokenRole::Admin | TokenRole::Publish) => Ok(Self),
            Ok(role) => Err(forbidden(role)),
            Err(problem) => Err(unauthorized(problem)),
        }
    }
}

/// Lets through who may read the metrics, which is everybody when they are public.
pub(crate) async fn metrics(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if server.engine.settings().metrics.public {
        return next.run(request).await;
    }
    match server.tokens.role(request.headers()) {
        Ok(TokenRole::Admin | TokenRole::Metrics) => next.run(request).await,
        Ok(role) => forbidden(role),
        Err(problem) => unauthorized(problem),
    }
}

fn forbidden(role: TokenRole) -> Response {
    let may = match role {
        TokenRole::Admin => "do everything but this",
        TokenRole::Publish => "publish events, ask for callbacks, and nothing else",
        TokenRole::Metrics => "read the metrics and nothing else",
    };
    let detail = format!("this token may {may}");
    Problem::new(StatusCode::FORBIDDEN, "role_not_allowed", detail)
        .hint("use an admin token")
        .into_response()
}

fn unauthorized(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
