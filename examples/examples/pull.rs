//! Pulls events one by one, for a program that has a loop of its own.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example pull`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::App;
use larkspur::events::hire::EcoBackgroundCheckCreatedV1;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut deliveries = App::from_env()?.deliveries();
    while let Some(pulled) = deliveries.next().await {
        let pulled = pulled?;
        match pulled.parse::<EcoBackgroundCheckCreatedV1>()? {
            Some(check) => println!("order {}", check.background_check_id.unwrap_or_default()),
            None => println!("something else: `{}`", pulled.meta().event_type),
        }
        // Without this, the platform pushes the event again.
        pulled.ack()?;
    }
    Ok(())
}
