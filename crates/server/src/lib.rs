//! All inbound HTTP of the platform: the open API that apps use, the admin API that people and producers use.
//!
//! [`serve()`] accepts connections, with or without [`Tls`], and runs every route on them. Persistent connections come
//! in here as HTTP requests and are handed to the engine's hub once they are upgraded. [`openapi`] describes the admin
//! API.

#[expect(unused_qualifications, reason = "the macros of utoipa name every type by its path")]
mod api;
mod auth;
mod body;
mod config;
mod exposition;
mod guard;
mod open;
mod problem;
mod routes;
mod serve;
mod server;
mod tls;

pub use config::ServerConfig;
pub use guard::HostGuard;
pub use routes::openapi;
pub use serve::serve;
pub use tls::{Tls, TlsError};
