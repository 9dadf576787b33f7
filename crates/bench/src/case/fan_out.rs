//! One event to a hundred apps, and what a delivery costs then.

use anyhow::Result;

use super::Bench;
use super::plan::Plan;
use super::stage::Stage;
use crate::floor;
use crate::judge::Route;
use crate::report::{Figures, middle};

const APPS: usize = 100;
/// One event is a hundred deliveries, so that few producers are many.
const PRODUCERS: usize = 8;

/// At many apps and at one, in turn, so often.
const PAIRS: usize = 5;

/// The cost of a delivery at many apps, beside the cost at one.
pub(super) async fn run(bench: &Bench) -> Result<Figures> {
    let floor_per_s = floor::http(bench.folder(), PRODUCERS, 1, bench.seconds()).await?;
    let mut one = Stage::with_webhooks(bench, 1, |_| 0).await?;
    let mut many = Stage::with_webhooks(bench, bench.size(APPS, 10), |_| 0).await?;
    let to_one = Plan::single(bench.seconds());
    let to_many = Plan {
        producers: PRODUCERS,
        route: Route::Every,
        ..to_one.clone()
    };
    let (mut at_one, mut at_many, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.size(PAIRS, 1) {
        let single = one.load(&to_one).await?.figures(floor_per_s);
        let each = many.load(&to_many).await?.figures(floor_per_s);
        ratios.push(each.cpu_us_per_event / single.cpu_us_per_event);
        at_one.push(single);
        at_many.push(each);
    }
    one.platform.stop().await?;
    many.platform.stop().await?;
    let [at_one, at_many] = [at_one, at_many].map(|runs| Figures::median(runs).unwrap_or_default());
    Ok(at_many
        .with("cpu_us_per_event_at_1_app", at_one.cpu_us_per_event)
        .with("cost_ratio", middle(ratios)))
}
