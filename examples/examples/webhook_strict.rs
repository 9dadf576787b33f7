//! Receives by webhook while keys are rotated, from a public address: the old key and the new one are taken, a request
//! that somebody recorded is refused, and so are large bodies and types without a handler.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_ENCRYPT_KEY=… NEXT_KEY=… cargo run --example webhook_strict`.

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Meta, ReplayGuard, Router};
use tokio::net::TcpListener;

async fn on_check(_: Event<EcoBackgroundCheckCreatedV1>, meta: Meta) {
    println!("a check: {}", meta.event_id);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check).strict();
    let mut hook = App::from_env()?
        .webhook(router)?
        // Feishu itself pushes an event again for seven hours; the guard lets that pass.
        .replay_guard(ReplayGuard::new())
        .body_bytes_max(1 << 20);
    if let Ok(next) = std::env::var("NEXT_KEY") {
        hook = hook.or_key(next);
    }
    let web = axum::Router::new().route_service("/webhook/event", hook);
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}/webhook/event", listener.local_addr()?);
    axum::serve(listener, web).await?;
    Ok(())
}
