//! Answers a button of a card: the reply is what the user sees next, and its type is checked when this is compiled.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example card_button`. The same handler works by webhook.

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::card::ActionTrigger;
use larkspur::{App, CardReply, Event, Router, ctrl_c};

async fn on_tap(Event(tap): Event<ActionTrigger>) -> CardReply {
    let button = tap.action.and_then(|action| action.name).unwrap_or_default();
    println!("somebody tapped `{button}`");
    CardReply::success(format!("{button}: done"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_tap);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
