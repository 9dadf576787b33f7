//! Handlers that fail, and events that have none.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{ARRIVAL, Bench, Mode, told};
use crate::payload::{TYPES, compare, random};
use crate::peer::Peer;

/// How long the platform may take to note an answer.
const NOTED: Duration = Duration::from_secs(10);
/// How long a process may take to die.
const DEATH: Duration = Duration::from_secs(10);
/// After so many seconds the platform tries again for the first time.
const FIRST_RETRY_SECONDS: u64 = 15;

/// A handler that fails once is pushed the same event again when its time comes.
pub(super) async fn failing(bench: &Bench, mode: Mode) -> Result<()> {
    let (platform, app) = bench.stage(mode).await?;
    let mut told = told(&platform, &app, mode)?;
    told.fail_first = 1;
    let mut peer = bench.subscribe(&platform, &app, told.clone()).await?;
    let publication = random(TYPES[0])?;
    let event_id = platform.publish(&app, &publication).await?;
    compare(&app, &event_id, &publication, &peer.event(ARRIVAL).await?)?;
    let noted = platform
        .wait_delivery(&event_id, NOTED, |delivery| delivery["attempts"] == 1)
        .await?;
    ensure!(
        noted["state"] == "pending",
        "a failed push does not wait for its next: {noted}"
    );
    if mode != Mode::Ws && bench.sdk.language.dies_of_a_failing_webhook_handler() {
        let status = peer.ends(DEATH).await?;
        ensure!(status.is_some(), "the process was expected to die of its handler");
        told.fail_first = 0;
        peer = Peer::start(&bench.sdk, &told).await?;
    }
    platform.advance(FIRST_RETRY_SECONDS).await?;
    let again = peer.event(ARRIVAL).await.context("the event was not pushed again")?;
    compare(&app, &event_id, &publication, &again)?;
    let settled = platform
        .wait_delivery(&event_id, NOTED, |delivery| delivery["state"] == "delivered")
        .await?;
    ensure!(settled["attempts"] == 2, "two attempts were expected: {settled}");
    Ok(())
}

/// An event that no handler is registered for is answered as this SDK is known to.
pub(super) async fn unknown(bench: &Bench, mode: Mode) -> Result<()> {
    let (platform, app) = bench.stage(mode).await?;
    let mut told = told(&platform, &app, mode)?;
    told.types = vec![TYPES[0]];
    let mut peer = bench.subscribe(&platform, &app, told).await?;
    let event_id = platform.publish(&app, &random(TYPES[1])?).await?;
    let noted = platform
        .wait_delivery(&event_id, NOTED, |delivery| delivery["attempts"] == 1)
        .await?;
    let language = bench.sdk.language;
    let expected = if mode == Mode::Ws {
        language.unknown_ack()
    } else {
        language.unknown_status()
    };
    let state = if expected == 200 { "delivered" } else { "pending" };
    let code = &noted["attempt_log"][0]["code"];
    ensure!(
        *code == expected,
        "the answer was {code} instead of {expected}: {noted}"
    );
    ensure!(noted["state"] == state, "the delivery is not {state}: {noted}");
    // Nothing else ran, and the subscriber is still there.
    let publication = random(TYPES[0])?;
    let event_id = platform.publish(&app, &publication).await?;
    let received = peer.event(ARRIVAL).await?;
    if received.event != TYPES[0] {
        bail!("a handler ran for {}, which has none", received.event);
    }
    compare(&app, &event_id, &publication, &received)
}
