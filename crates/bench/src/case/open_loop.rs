//! At a rate that a company has: how long a producer and a receiver wait when nothing is in the way, and how punctual
//! retries are.

use anyhow::{Result, bail};

use super::Bench;
use super::plan::Plan;
use super::stage::Stage;
use crate::floor;
use crate::judge::Times;
use crate::platform::Config;
use crate::record::Counts;
use crate::report::Figures;
use crate::role::Command;
use crate::role::sink::Behaviour;

/// Events a second.
const RATE: f64 = 300.0;
/// Fewer, since each is pushed twice.
const RETRY_RATE: f64 = 100.0;
/// Retries come soon, for the measurement to end soon.
const RETRY_SECONDS: u64 = 1;

/// 300 events a second, however fast they are answered.
pub(super) async fn at_300(bench: &Bench) -> Result<Figures> {
    let floor_per_s = floor::disk(bench.folder(), bench.seconds(), bench.shim.as_ref()).await?;
    let mut stage = Stage::with_webhooks(bench, 1, |_| 0).await?;
    let plan = Plan {
        producers: 16,
        rate: Some(RATE),
        ..Plan::single(bench.seconds())
    };
    // The first pushes open connections and fill caches, which happens once in weeks.
    let warm_up = Plan {
        seconds: bench.seconds().min(1.0),
        ..plan.clone()
    };
    stage.load(&warm_up).await?;
    let outcome = stage.load(&plan).await?;
    stage.platform.stop().await?;
    Ok(outcome.figures(floor_per_s))
}

/// Every event's first push fails; the times are from when the second one was due to when it came.
pub(super) async fn retries(bench: &Bench) -> Result<Figures> {
    let config = Config {
        retry_seconds: vec![RETRY_SECONDS; 4],
        ..Config::default()
    };
    let mut stage = Stage::open(bench, 1, &config, None).await?;
    stage.webhook(0, 0).await?;
    let how = Behaviour::FailsFirst;
    let _: Counts = stage.sink.ask(&Command::Behave { app: 0, how }).await?;
    let plan = Plan {
        producers: 16,
        rate: Some(RETRY_RATE),
        ..Plan::single(bench.seconds())
    };
    let outcome = stage.load(&plan).await?;
    let gaps_ns: Vec<u64> = stage.sink.ask(&Command::Gaps).await?;
    let due_ns = RETRY_SECONDS * 1_000_000_000;
    // The schedule has whole milliseconds, so that a retry may come up to one early by this clock.
    if gaps_ns.iter().any(|gap| gap + 2_000_000 < due_ns) {
        bail!("a retry came before it was due");
    }
    let late = Times::new(gaps_ns.into_iter().map(|gap| gap.saturating_sub(due_ns)).collect());
    stage.platform.stop().await?;
    let mut figures = outcome.figures(0.0);
    (figures.p50_ms, figures.p99_ms) = (late.ms(0.5), late.ms(0.99));
    Ok(figures)
}
