//! Handles each event once, in a way of one's own: for a day instead of eight hours, and told apart by the order that an
//! event is about instead of by its event id.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example once`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::time::Duration;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Dedup, Delivery, Event, Router, ctrl_c};

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>) {
    println!("order {}", check.background_check_id.unwrap_or_default());
}

/// Events without an order are told apart by their event id, as all are when nothing is said.
fn order(delivery: &Delivery) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(delivery.payload()).ok()?;
    Some(event["background_check_id"].as_str()?.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dedup = Dedup::memory(Duration::from_hours(24)).key(order);
    let router = Router::new().on(on_check).dedup(dedup);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
