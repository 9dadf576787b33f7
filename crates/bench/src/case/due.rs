//! A million deliveries that are due and cannot be made, and how the others fare meanwhile.

use std::collections::HashSet;

use anyhow::Result;

use super::Bench;
use super::stage::{Plan, Stage, mib};
use crate::floor;
use crate::judge::Route;
use crate::platform::Config;
use crate::process::pss_bytes;
use crate::record::Counts;
use crate::report::{Figures, count};
use crate::role::Command;
use crate::role::sink::Behaviour;

/// Apps whose endpoints take every push and never answer.
const DEAD: usize = 10;
const EVENTS: usize = 100_000;

/// Publishing for one app, without and with a million due deliveries of ten others; memory; and a start over them.
pub(super) async fn run(bench: &Bench) -> Result<Figures> {
    let floor_per_s = floor::http(bench.folder(), 64, 1, bench.seconds()).await?;
    let mut stage = Stage::open(bench, DEAD + 1, &Config::default(), None).await?;
    // The dead ones share the first tenant; the good one has its own.
    for number in 0..DEAD {
        stage.webhook(number, 0).await?;
    }
    stage.webhook(DEAD, DEAD).await?;
    let good = Plan {
        route: Route::InTurn { first: DEAD, apps: 1 },
        ..Plan::single(bench.seconds())
    };
    let empty = stage.load(&good).await?.figures(0.0);
    for app in 0..DEAD {
        let how = Behaviour::Silent;
        let _: Counts = stage.sink.ask(&Command::Behave { app, how }).await?;
    }
    let dead: HashSet<_> = (0..DEAD).collect();
    let fill = Plan {
        events_max: bench.size(EVENTS, 100) as u64,
        seconds: f64::from(u16::MAX),
        route: Route::Every,
        in_trouble: (0..=DEAD).collect(),
        compared: false,
        ..Plan::ndjson(0.0)
    };
    stage.load(&fill).await?;
    let beside = stage
        .load(&Plan {
            in_trouble: dead,
            compared: false,
            ..good
        })
        .await?;
    let pss = pss_bytes(stage.platform.pid())?;
    stage.platform.restart().await?;
    let ready = stage.platform.ready_after.as_secs_f64();
    let figures = beside.figures(floor_per_s);
    let share = figures.delivered_per_s / empty.delivered_per_s;
    Ok(figures
        .with("deliveries_due", count(fill.events_max * DEAD as u64))
        .with("empty_per_s", empty.delivered_per_s)
        .with("share_of_empty", share)
        .with("pss_mib_at_the_end", mib(pss))
        .with("ready_after_restart_s", ready))
}
