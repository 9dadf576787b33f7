//! As fast as it goes: webhooks one by one and in batches, and one persistent connection.

use anyhow::{Context, Result};

use super::Bench;
use super::plan::Plan;
use super::stage::Stage;
use crate::floor;
use crate::platform::{Config, Mode};
use crate::report::Figures;

/// What `webhook-half` is half of when `webhook-single` did not run: the rate to reach.
const SINGLE_PER_S: f64 = 16_000.0;

/// One event a request, 64 producers, one app.
pub(super) async fn webhook_single(bench: &Bench) -> Result<Figures> {
    let plan = Plan::single(bench.seconds());
    let figures = webhook(bench, &plan).await?;
    bench.single_per_s.set(Some(figures.delivered_per_s));
    Ok(figures)
}

/// The same at half the rate that it reached, however fast it is answered.
pub(super) async fn webhook_half(bench: &Bench) -> Result<Figures> {
    let rate = bench.single_per_s.get().unwrap_or(SINGLE_PER_S) / 2.0;
    let plan = Plan {
        rate: Some(rate),
        ..Plan::single(bench.seconds())
    };
    Ok(webhook(bench, &plan).await?.with("rate_per_s", rate))
}

/// A hundred events a request.
pub(super) async fn webhook_ndjson(bench: &Bench) -> Result<Figures> {
    webhook(bench, &Plan::ndjson(bench.seconds())).await
}

/// One event a request, to an endpoint that speaks TLS.
pub(super) async fn webhook_tls(bench: &Bench) -> Result<Figures> {
    let config = Config {
        tls: true,
        ..Config::default()
    };
    let plan = Plan::single(bench.seconds());
    let floor_per_s = floor::http(bench.folder(), plan.producers, plan.batch, bench.seconds()).await?;
    let mut stage = Stage::open(bench, 1, &config, None).await?;
    let address = stage.listening.tls.context("the sink serves no TLS")?;
    let url = format!("https://{address}/hook/0");
    stage.platform.app(0, 0, &Mode::Webhook { url }).await?;
    let outcome = stage.load(&plan).await?;
    stage.platform.stop().await?;
    Ok(outcome.figures(floor_per_s))
}

async fn webhook(bench: &Bench, plan: &Plan) -> Result<Figures> {
    let floor_per_s = floor::http(bench.folder(), plan.producers, plan.batch, bench.seconds()).await?;
    let disk = floor::disk(bench.folder(), bench.seconds(), bench.shim.as_ref()).await?;
    let mut stage = Stage::with_webhooks(bench, 1, |_| 0).await?;
    let outcome = stage.load(plan).await?;
    stage.platform.stop().await?;
    let figures = outcome.figures(floor_per_s).with("floor_fdatasync_per_s", disk);
    if plan.rate.is_some() {
        return Ok(figures);
    }
    beside_bare(bench, floor::Mode::Webhook, plan, figures).await
}

/// With the least that keeps events and pushes them, under the same load.
async fn beside_bare(bench: &Bench, mode: floor::Mode, plan: &Plan, figures: Figures) -> Result<Figures> {
    let load = (plan.producers, plan.batch);
    let bare = floor::bare(bench.folder(), mode, load, bench.seconds(), bench.shim.as_ref()).await?;
    Ok(figures
        .with("bare_per_s", bare.delivered_per_s)
        .with("bare_cpu_us_per_event", bare.cpu_us_per_event))
}

/// A hundred events a request, one subscriber with one connection.
pub(super) async fn websocket_ndjson(bench: &Bench) -> Result<Figures> {
    let floor_per_s = floor::echo(bench.seconds()).await?;
    let mut stage = Stage::open(bench, 1, &Config::default(), None).await?;
    let client = stage.websocket(0, 0).await?;
    stage.subscribe(vec![client], 1, false).await?;
    let plan = Plan::ndjson(bench.seconds());
    let outcome = stage.load(&plan).await?;
    stage.platform.stop().await?;
    beside_bare(bench, floor::Mode::Websocket, &plan, outcome.figures(floor_per_s)).await
}
