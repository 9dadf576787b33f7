//! Treats events apart that were hours on their way: the platform tries for seven hours to deliver one.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example late`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::time::Duration;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Meta, Router, ctrl_c};

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>, meta: Meta) {
    let order = check.background_check_id.unwrap_or_default();
    println!("order {order} is {} s old", meta.age().unwrap_or_default().as_secs());
}

async fn too_late(meta: Meta) {
    println!("nobody waits for {} any more", meta.event_id);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check).stale(Duration::from_mins(10), too_late);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
