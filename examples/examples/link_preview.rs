//! Answers what a link in a chat is shown as: a line and a picture instead of the bare URL.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example link_preview`. The same handler works by webhook.

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::url::PreviewGet;
use larkspur::{App, Event, Router, UrlPreviewReply, ctrl_c};

async fn on_link(Event(link): Event<PreviewGet>) -> UrlPreviewReply {
    let url = link.context.and_then(|context| context.url).unwrap_or_default();
    println!("somebody posted {url}");
    match url.rsplit_once("/tickets/") {
        Some((_, number)) => UrlPreviewReply::title(format!("Ticket {number}")),
        None => UrlPreviewReply::nothing(),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_link);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
