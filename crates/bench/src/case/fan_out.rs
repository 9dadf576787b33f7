//! One event to a hundred apps, and what a delivery costs then.

use anyhow::Result;

use super::Bench;
use super::stage::{Plan, Stage};
use crate::floor;
use crate::judge::Route;
use crate::report::Figures;

const APPS: usize = 100;
/// One event is a hundred deliveries, so that few producers are many.
const PRODUCERS: usize = 8;

/// The cost of a delivery at many apps, beside the cost at one.
pub(super) async fn run(bench: &Bench) -> Result<Figures> {
    let apps = bench.size(APPS, 10);
    let floor_per_s = floor::http(bench.folder(), PRODUCERS, 1, bench.seconds()).await?;
    let mut one = Stage::with_webhooks(bench, 1, |_| 0).await?;
    let single = one.load(&Plan::single(bench.seconds())).await?;
    one.platform.stop().await?;
    let mut many = Stage::with_webhooks(bench, apps, |_| 0).await?;
    let plan = Plan {
        producers: PRODUCERS,
        route: Route::Every,
        ..Plan::single(bench.seconds())
    };
    let outcome = many.load(&plan).await?;
    many.platform.stop().await?;
    let figures = outcome.figures(floor_per_s);
    let at_one = single.cpu_us_per_delivery();
    let ratio = figures.cpu_us_per_event / at_one;
    Ok(figures
        .with("cpu_us_per_event_at_1_app", at_one)
        .with("cost_ratio", ratio))
}
