//! Several clients of one app.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::{ARRIVAL, Bench, Mode, ONLINE, told};
use crate::payload::{TYPES, random};
use crate::peer::{Peer, Said};

/// How many events are published.
const EVENTS: usize = 200;
/// The fewest that either client must get; a fair coin gives fewer once in ten million runs.
const FEWEST: usize = 61;

/// Each event reaches exactly one of two clients, and both get a fair share.
pub(super) async fn run(bench: &Bench) -> Result<()> {
    let (platform, app) = bench.stage(Mode::Ws).await?;
    let told = told(&platform, &app, Mode::Ws)?;
    let (mut one, mut other) = tokio::try_join!(Peer::start(&bench.sdk, &told), Peer::start(&bench.sdk, &told))?;
    platform.wait_online(&app, 2, ONLINE).await.with_context(|| one.log())?;
    let publications = std::iter::repeat_with(|| random(TYPES[0]))
        .take(EVENTS)
        .collect::<Result<Vec<_>>>()?;
    let published = try_join_all(
        publications
            .iter()
            .map(|publication| platform.publish(&app, publication)),
    )
    .await?;
    let mut seen = HashSet::new();
    let mut counts = [0_usize; 2];
    while seen.len() < EVENTS {
        let (at, said) = tokio::select! {
            said = one.next(ARRIVAL) => (0, said?),
            said = other.next(ARRIVAL) => (1, said?),
        };
        let Some(Said::Event(received)) = said else {
            anyhow::bail!("{} of {EVENTS} events arrived ({counts:?}), then {said:?}", seen.len());
        };
        let id = received.event_id().context("an event without an id")?;
        ensure!(seen.insert(id.to_owned()), "event {id} arrived twice");
        counts[at] += 1;
    }
    ensure!(
        published.iter().all(|id| seen.contains(id)),
        "an event arrived that was not published"
    );
    platform.wait_all_delivered(&app, EVENTS, ARRIVAL).await?;
    for peer in [&mut one, &mut other] {
        let late = peer.next(Duration::ZERO).await?;
        ensure!(late.is_none(), "an event arrived twice: {late:?}");
    }
    ensure!(
        counts.iter().all(|count| *count >= FEWEST),
        "the clients shared unfairly: {counts:?}"
    );
    Ok(())
}
