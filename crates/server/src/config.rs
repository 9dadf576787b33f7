//! What the server is told when it starts.

use std::sync::Arc;

use axum::Router;
use larkspur_engine::MovableClock;
use larkspur_wire::Secret;
use url::Url;

use crate::HostGuard;

/// How the server presents itself and whom it answers.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// The address others reach the server by. Connection URLs lead there; without it, to the Host of the request.
    pub public_url: Option<Url>,
    /// Whom the server answers, judged by the Host and Origin headers.
    pub guard: HostGuard,
    /// The bearer of this token may do everything. Without it, only the tokens in the store count.
    pub admin_token: Option<Secret>,
    /// The engine's clock, if the admin API may move it.
    pub clock: Option<Arc<MovableClock>>,
    /// Further routes to serve, under the same guard but without a token. They must not repeat a path of the
    /// platform's own, and have no fallback.
    pub mount: Router,
}
