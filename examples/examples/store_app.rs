//! A store app: keeps the ticket that the platform pushes, and gets a token for the tenant that an event is about.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_VERIFICATION_TOKEN=… cargo run --example store_app`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Meta, Router, State, StoreTokens, TokenError};
use tokio::net::TcpListener;

async fn on_check(
    _: Event<EcoBackgroundCheckCreatedV1>,
    meta: Meta,
    State(tokens): State<StoreTokens>,
) -> Result<(), TokenError> {
    // To be sent as `Authorization: Bearer …` with calls for this tenant. It is fetched once and kept.
    let token = tokens.tenant(&meta.tenant_key).await?;
    println!("a token of {} characters for {}", token.expose().len(), meta.tenant_key);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let app = App::from_env()?;
    let tokens = app.store_tokens()?;
    let router = tokens.keep_ticket(Router::new().on(on_check)).with_state(tokens);
    let web = axum::Router::new().route_service("/webhook/event", app.webhook(router)?);
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}/webhook/event", listener.local_addr()?);
    axum::serve(listener, web).await?;
    Ok(())
}
