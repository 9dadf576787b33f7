//! The three calls of the open API that tokens need.

use http::{HeaderMap, Uri};
use larkspur_wire::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{StoreTokens, TokenError};

/// An answer has 200 bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A platform's own words are shown up to this length.
const MSG_CHARS_MAX: usize = 200;

/// What is asked for.
pub(super) enum Asked<'a> {
    /// That the ticket be pushed.
    Resend,
    /// The app's token.
    App { ticket: Secret },
    /// A tenant's token.
    Tenant { app_token: Secret, tenant_key: &'a str },
}

/// What was answered.
pub(super) struct Answered {
    pub(super) token: Option<Secret>,
    pub(super) expire_seconds: u64,
}

#[derive(Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    msg: String,
    app_access_token: Option<Secret>,
    tenant_access_token: Option<Secret>,
    #[serde(default)]
    expire: i64,
}

impl Asked<'_> {
    fn path(&self) -> &'static str {
        match self {
            Self::Resend => "/open-apis/auth/v3/app_ticket/resend",
            Self::App { .. } => "/open-apis/auth/v3/app_access_token",
            Self::Tenant { .. } => "/open-apis/auth/v3/tenant_access_token",
        }
    }

    fn body(&self, app_id: &str, app_secret: &Secret) -> Value {
        let secret = app_secret.expose();
        match self {
            Self::Resend => json!({ "app_id": app_id, "app_secret": secret }),
            Self::App { ticket } => json!({ "app_id": app_id, "app_secret": secret, "app_ticket": ticket.expose() }),
            Self::Tenant { app_token, tenant_key } => {
                json!({ "app_access_token": app_token.expose(), "tenant_key": tenant_key })
            }
        }
    }
}

impl StoreTokens {
    pub(super) async fn ask(&self, asked: &Asked<'_>) -> Result<Answered, TokenError> {
        let app = &self.inner.app;
        let url: Uri = app
            .domain
            .join(asked.path())
            .parse()
            .map_err(|error| TokenError::Unreachable {
                detail: format!("the domain is no address: {error}"),
            })?;
        let body = asked.body(app.id(), &app.secret).to_string().into_bytes();
        let posted = self
            .inner
            .connector
            .post(&url, HeaderMap::new(), body, ANSWER_BYTES_MAX)
            .await;
        let posted = posted.map_err(|error| TokenError::Unreachable { detail: error.detail })?;
        // A refusal has a status of its own, and says more in its body.
        let answer: Answer = serde_json::from_slice(&posted.body).map_err(|error| TokenError::NotUnderstood {
            detail: format!("status {}, and {error}", posted.status),
        })?;
        if answer.code != 0 {
            return Err(TokenError::Refused {
                code: answer.code,
                msg: answer
                    .msg
                    .chars()
                    .filter(|char| !char.is_control())
                    .take(MSG_CHARS_MAX)
                    .collect(),
            });
        }
        Ok(Answered {
            token: match asked {
                Asked::Resend => None,
                Asked::App { .. } => answer.app_access_token,
                Asked::Tenant { .. } => answer.tenant_access_token,
            },
            expire_seconds: u64::try_from(answer.expire).unwrap_or_default(),
        })
    }
}
