//! Receives background checks by webhook, behind axum.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_VERIFICATION_TOKEN=… cargo run --example webhook`, then save
//! `http://127.0.0.1:3000/webhook/event` as the app's request URL.

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Meta, Router};
use tokio::net::TcpListener;

async fn on_check(check: Event<EcoBackgroundCheckCreatedV1>, meta: Meta) {
    println!("{meta}\n{check}");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // An app with neither an Encrypt Key nor a Verification Token is an error: anybody could post to it.
    let hook = App::from_env()?.webhook(Router::new().on(on_check))?;
    let web = axum::Router::new().route_service("/webhook/event", hook);
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}/webhook/event", listener.local_addr()?);
    axum::serve(listener, web).await?;
    Ok(())
}
