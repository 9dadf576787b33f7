//! An axum handler that does nothing, for the load generator to show how fast HTTP alone is here.

use anyhow::Result;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::{Commands, say};
use crate::role::load::PUBLISH_PATH;

/// Runs on as many threads as the platform does.
pub(super) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?)?;
        let router = Router::new().route(PUBLISH_PATH, post(async |_: Bytes| {}));
        tokio::select! {
            served = axum::serve(listener, router) => Ok(served?),
            ended = until_told() => ended,
        }
    })
}

/// Waits until whoever started this has gone.
pub(super) async fn until_told() -> Result<()> {
    let mut commands = Commands::new();
    while commands.next().await?.is_some() {}
    Ok(())
}
