//! The open platform as an app sees it: the endpoint, the upgrade, tokens, and a plain answer to everything else.
//!
//! Paths, bodies and codes are Feishu's, so that official SDKs work with one domain string changed.

mod calls;
mod endpoint;
mod envelope;
mod tokens;
mod upgrade;

use std::sync::Arc;

use larkspur_engine::Apps;
use larkspur_store::App;
use larkspur_wire::Secret;

pub(crate) use calls::{Call, Calls, unknown};
pub(crate) use endpoint::endpoint;
pub(crate) use envelope::{log_id, method_not_allowed};
pub(crate) use tokens::{
    app_token_internal, app_token_store, resend_ticket, tenant_token_internal, tenant_token_store,
};
pub(crate) use upgrade::upgrade;

/// Why credentials prove nothing.
enum BadCredentials {
    /// No app has the id.
    App,
    /// The app has another secret.
    Secret,
}

/// The app of these credentials; the secret is compared in constant time, also when there is no such app.
fn authenticate(apps: &Apps, app_id: &str, app_secret: &Secret) -> Result<Arc<App>, BadCredentials> {
    let app = app_id.parse().ok().and_then(|id| apps.get(&id).cloned());
    let Some(app) = app else {
        // As long as the secrets that are minted, so that an unknown app takes as long as a known one.
        let _ = Secret::from("00000000000000000000000000000000").matches(app_secret.expose());
        return Err(BadCredentials::App);
    };
    if app.app_secret.matches(app_secret.expose()) {
        Ok(app)
    } else {
        Err(BadCredentials::Secret)
    }
}
