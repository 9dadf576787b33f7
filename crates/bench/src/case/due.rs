//! A million deliveries that are due and cannot be made, and how the others fare meanwhile.

use std::collections::HashSet;

use anyhow::Result;

use super::Bench;
use super::plan::{Plan, mib};
use super::stage::Stage;
use crate::floor;
use crate::judge::Route;
use crate::platform::Config;
use crate::process::pss_bytes;
use crate::record::Counts;
use crate::report::{Figures, count, middle};
use crate::role::Command;
use crate::role::sink::Behaviour;

/// Apps whose endpoints take every push and never answer.
const DEAD: usize = 10;
const EVENTS: usize = 100_000;
/// Beside the million and beside nothing, in turn, so often.
const PAIRS: usize = 5;

/// Publishing for one app with a million due deliveries of ten others, and for one of a platform that has nothing else
/// to do; memory; and a start over them.
pub(super) async fn run(bench: &Bench) -> Result<Figures> {
    let floor_per_s = floor::http(bench.folder(), 64, 1, bench.seconds()).await?;
    let mut empty_stage = Stage::with_webhooks(bench, 1, |_| 0).await?;
    let mut busy = Stage::open(bench, DEAD + 1, &Config::default(), None).await?;
    // The dead ones share the first tenant; the good one has its own.
    for number in 0..DEAD {
        busy.webhook(number, 0).await?;
    }
    busy.webhook(DEAD, DEAD).await?;
    for app in 0..DEAD {
        let how = Behaviour::Silent;
        let _: Counts = busy.sink.ask(&Command::Behave { app, how }).await?;
    }
    let fill = Plan {
        events_max: bench.size(EVENTS, 100) as u64,
        seconds: f64::from(u16::MAX),
        route: Route::Every,
        in_trouble: (0..=DEAD).collect(),
        compared: false,
        ..Plan::ndjson(0.0)
    };
    busy.load(&fill).await?;
    let beside_nothing = Plan::single(bench.seconds());
    let beside_million = Plan {
        route: Route::InTurn { first: DEAD, apps: 1 },
        in_trouble: (0..DEAD).collect::<HashSet<_>>(),
        compared: false,
        ..beside_nothing.clone()
    };
    let (mut empty, mut due, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.size(PAIRS, 1) {
        let one = empty_stage.load(&beside_nothing).await?.figures(floor_per_s);
        let other = busy.load(&beside_million).await?.figures(floor_per_s);
        shares.push(other.delivered_per_s / one.delivered_per_s);
        empty.push(one);
        due.push(other);
    }
    let pss = pss_bytes(busy.platform.pid())?;
    busy.platform.restart().await?;
    let ready = busy.platform.ready_after.as_secs_f64();
    let [empty, due] = [empty, due].map(|runs| Figures::median(runs).unwrap_or_default());
    Ok(due
        .with("deliveries_due", count(fill.events_max * DEAD as u64))
        .with("empty_per_s", empty.delivered_per_s)
        .with("empty_cpu_us_per_event", empty.cpu_us_per_event)
        .with("share_of_empty", middle(shares))
        .with("pss_mib_at_the_end", mib(pss))
        .with("ready_after_restart_s", ready))
}
