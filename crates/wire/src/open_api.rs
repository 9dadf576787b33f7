//! Bodies of the open API: tokens at the top level, everything else in an envelope of `code` and `msg`.
//!
//! See <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>.

use serde::Deserialize;

use crate::Secret;

/// What the token interfaces are asked with; each reads the members it needs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TokenRequest {
    /// The app.
    pub app_id: Option<String>,
    /// Proves that the caller speaks for the app.
    pub app_secret: Option<Secret>,
    /// Store apps only: the ticket that was pushed.
    pub app_ticket: Option<Secret>,
    /// Store apps only: the app's token.
    pub app_access_token: Option<Secret>,
    /// Store apps only: the tenant to get a token for.
    pub tenant_key: Option<String>,
}

/// The answer with tokens, which stand at the top level.
pub fn write_tokens(
    msg: &str,
    app_access_token: Option<&Secret>,
    tenant_access_token: Option<&Secret>,
    expire_seconds: i64,
) -> Vec<u8> {
    let mut body = serde_json::json!({ "code": 0, "msg": msg, "expire": expire_seconds });
    for (name, token) in [
        ("app_access_token", app_access_token),
        ("tenant_access_token", tenant_access_token),
    ] {
        if let Some(token) = token {
            body[name] = token.expose().into();
        }
    }
    body.to_string().into_bytes()
}

/// The answer of an interface that returns nothing.
pub fn write_ok(msg: &str) -> Vec<u8> {
    serde_json::json!({ "code": 0, "msg": msg }).to_string().into_bytes()
}

/// The answer of an interface that refuses; `log_id` finds the request in the log.
pub fn write_error(code: i64, msg: &str, log_id: &str) -> Vec<u8> {
    serde_json::json!({ "code": code, "msg": msg, "error": { "log_id": log_id } })
        .to_string()
        .into_bytes()
}
