//! The server over real sockets, with a real engine on a real store.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as tests do")]

mod again;
mod callbacks;
mod client;
mod contract;
mod gates;
mod guard;
mod log;
mod metrics;
mod open_api;
mod operations;
mod platform;
mod publish;
mod routes;
mod serving;
mod sessions;
mod tls;
mod tokens;
