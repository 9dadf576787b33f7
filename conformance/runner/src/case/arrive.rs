//! Events arrive as they were published.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{ARRIVAL, Bench, Mode};
use crate::payload::{TYPES, compare, large as large_publication, random};
use crate::peer::Peer;
use crate::platform::{App, Platform, Publication};

/// How long the platform may take to note an answer.
const NOTED: Duration = Duration::from_secs(10);

/// Publishes each of the five events with random values and compares every field; one result for each.
pub(super) async fn each(bench: &Bench, mode: Mode) -> Result<Vec<Result<()>>> {
    let (platform, app, mut peer) = bench.ready(mode).await?;
    let mut results = Vec::new();
    for event_type in TYPES {
        results.push(round_trip(&platform, &app, &mut peer, &random(event_type)?).await);
    }
    Ok(results)
}

/// Publishes three million bytes.
pub(super) async fn large(bench: &Bench, mode: Mode) -> Result<()> {
    let (platform, app, mut peer) = bench.ready(mode).await?;
    round_trip(&platform, &app, &mut peer, &large_publication()?).await
}

/// Publishes one event, waits for it in the subscriber, compares it, and sees that the platform counts it delivered.
pub(super) async fn round_trip(
    platform: &Platform,
    app: &App,
    peer: &mut Peer,
    publication: &Publication,
) -> Result<()> {
    let event_id = platform.publish(app, publication).await?;
    let received = peer.event(ARRIVAL).await?;
    compare(app, &event_id, publication, &received)?;
    platform
        .wait_delivery(&event_id, NOTED, |delivery| delivery["state"] == "delivered")
        .await
        .context("the handler ran, but the delivery is not settled")?;
    Ok(())
}
