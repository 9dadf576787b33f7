//! Acknowledges events when a file has them, and handles them from there: for work that takes longer than the three
//! seconds that the platform waits. What a process leaves behind, the next one handles.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example inbox`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::time::Duration;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Inbox, Router, ctrl_c};

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>) {
    tokio::time::sleep(Duration::from_secs(4)).await;
    println!(
        "order {} is done at last",
        check.background_check_id.unwrap_or_default()
    );
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::var("INBOX").unwrap_or_else(|_| "inbox.db".to_owned());
    let inbox = Inbox::open(path)?;
    for dead in inbox.dead(10).await? {
        println!("failed for good: {dead:?}");
    }
    let router = Router::new().on(on_check).ack_on_receipt(inbox);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
