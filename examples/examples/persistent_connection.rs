//! Receives background checks over a persistent connection: no public address, no certificate, no port.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_BASE_URL=http://127.0.0.1:7070 cargo run --example persistent_connection`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Meta, Router, ctrl_c};

async fn on_check(check: Event<EcoBackgroundCheckCreatedV1>, meta: Meta) {
    println!("{meta}\n{check}");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check);
    let report = App::from_env()?
        .connect(router)
        .with_graceful_shutdown(ctrl_c())
        .await?;
    println!("{report}");
    Ok(())
}
