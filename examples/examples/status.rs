//! Tells a probe whether the client receives events, and prints what it is doing.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example status`, then `curl -i http://127.0.0.1:3000/readyz`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use larkspur::{App, Delivery, Router, Status, ctrl_c};
use tokio::net::TcpListener;

async fn ready(State(status): State<Status>) -> StatusCode {
    if status.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().fallback(async |_: Delivery| {});
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    let status = client.status();
    let mut changes = status.clone();
    tokio::spawn(async move {
        while let Some(state) = changes.changed().await {
            println!("{state:?}");
        }
    });
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}/readyz", listener.local_addr()?);
    let web = axum::Router::new().route("/readyz", get(ready)).with_state(status);
    tokio::spawn(async move { axum::serve(listener, web).await });
    println!("{}", client.await?);
    Ok(())
}
