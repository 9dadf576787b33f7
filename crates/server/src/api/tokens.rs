//! API tokens: made, listed, ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larkspur_store::ApiToken;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::word::Role;
use crate::body::JsonBody;
use crate::problem::{AnyRefusal, BodyRefusal, Conflicting, Missing, Problem};
use crate::server::Server;

/// Names are for people and for paths.
const NAME_CHARS_MAX: usize = 64;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenCreate {
    /// 1 to 64 letters, digits, `.`, `_` and `-`; unique.
    name: String,
    /// What the bearer may do.
    role: Role,
}

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// Its name.
    name: String,
    /// What the bearer may do.
    role: Role,
    /// When it was made.
    created_at: i64,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// Its name.
    name: String,
    /// What the bearer may do.
    role: Role,
    /// When it was made.
    created_at: i64,
    /// The token itself. It is shown this once: the platform keeps only its digest.
    token: String,
}

/// All tokens of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// In order of name.
    items: Vec<TokenView>,
}

impl From<&ApiToken> for TokenView {
    fn from(row: &ApiToken) -> Self {
        Self {
            name: row.name.clone(),
            role: row.role.into(),
            created_at: row.created_at.0,
        }
    }
}

/// Lists API tokens. The one the server was started with is not among them.
#[utoipa::path(get, path = "/api/v1/tokens",
    operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, description = "All of them.", body = TokenList), AnyRefusal))]
pub(crate) async fn list(State(server): State<Arc<Server>>) -> Json<TokenList> {
    Json(TokenList {
        items: server.tokens.rows().iter().map(Into::into).collect(),
    })
}

/// Makes an API token.
#[utoipa::path(post, path = "/api/v1/tokens",
    operation_id = "create_token", tag = "tokens", request_body = TokenCreate,
    responses((status = 201, description = "The token, this once.", body = NewToken),
        AnyRefusal, BodyRefusal, Conflicting))]
pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    JsonBody(TokenCreate { name, role }): JsonBody<TokenCreate>,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
        let detail = format!("a name has 1 to {NAME_CHARS_MAX} letters, digits, `.`, `_` and `-`");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_name", detail).path(Some("name".to_owned())));
    }
    let store = server.engine.store().as_ref();
    let (row, token) = server.tokens.create(store, name, role.into(), server.now()).await?;
    let ApiToken {
        name, role, created_at, ..
    } = row;
    Ok((
        StatusCode::CREATED,
        Json(NewToken {
            name,
            role: role.into(),
            created_at: created_at.0,
            token,
        }),
    ))
}

/// Ends an API token at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}",
    operation_id = "delete_token", tag = "tokens",
    params(("name" = String, Path, description = "The token's name.")),
    responses((status = 204, description = "It is gone."), AnyRefusal, Missing))]
pub(crate) async fn delete(State(server): State<Arc<Server>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let existed = server.tokens.delete(server.engine.store().as_ref(), &name).await?;
    if existed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("token", &name))
    }
}
