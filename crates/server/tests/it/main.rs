//! The server over real sockets, with a real engine on a real store.

mod client;
mod contract;
mod gates;
mod guard;
mod open_api;
mod platform;
mod publish;
mod routes;
mod sessions;
mod tls;
mod tokens;
