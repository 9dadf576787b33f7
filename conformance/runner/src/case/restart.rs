//! A platform that is killed and started again.

use anyhow::{Context, Result};

use super::arrive::round_trip;
use super::{Bench, Mode, ONLINE};
use crate::payload::{TYPES, random};

/// The client finds back by itself and receives.
pub(super) async fn run(bench: &Bench) -> Result<()> {
    let (mut platform, app, mut peer) = bench.ready(Mode::Ws).await?;
    round_trip(&platform, &app, &mut peer, &random(TYPES[0])?).await?;
    platform.restart().await?;
    platform
        .wait_online(&app, 1, ONLINE)
        .await
        .with_context(|| peer.log())?;
    round_trip(&platform, &app, &mut peer, &random(TYPES[2])?)
        .await
        .context("after the restart")
}
