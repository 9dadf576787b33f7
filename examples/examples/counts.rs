//! Says every few seconds what became of the events that arrived; the feature `metrics` tells the facade of that name
//! the same.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example counts`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::time::Duration;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, BoxError, Event, Router, ctrl_c};

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>) -> Result<(), BoxError> {
    match check.package_id.as_deref() {
        Some("12") => Ok(()),
        other => Err(format!("nobody offers package {other:?}").into()),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check);
    let tally = router.tally();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            let (handled, failed, unhandled) = (tally.handled(), tally.failed(), tally.unhandled());
            println!("{handled} handled, {failed} failed, {unhandled} without a handler");
        }
    });
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
