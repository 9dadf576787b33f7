//! One app in trouble among a hundred, or ten: how much longer the others wait.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;

use super::Bench;
use super::plan::{Outcome, Plan};
use super::stage::Stage;
use crate::judge::Route;
use crate::platform::{Config, Mode};
use crate::record::Counts;
use crate::report::{Figures, middle};
use crate::role::sink::Behaviour;
use crate::role::{Command, subscriber};
use crate::shim::Shim;

const APPS: usize = 100;
/// Events a second, for all apps together.
const RATE: f64 = 2_000.0;
/// With and without, in turn, so often.
const PAIRS: usize = 5;
/// A load is so many times as long as others: a push to a silent app ends after 3 s, and the load must go on then.
const LOADS: f64 = 2.0;
/// What was pushed to an app in trouble has ended by then, and connections that were kept are closed.
const CALM: Duration = Duration::from_millis(5_500);

/// What is the matter with an app.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// Its endpoint behaves badly.
    Endpoint(Behaviour),
    /// Its client keeps the connection and reads nothing.
    WebsocketStall,
    /// Its endpoint's name is being resolved for ever.
    HungNames,
    /// Its endpoint takes connections and begins no TLS handshake.
    SlowTls,
    /// Ten apps' endpoints behave badly, each in its way.
    Ten,
}

/// The others' times with the trouble, and the median ratio of pairs with and without.
pub(super) async fn run(bench: &Bench, trouble: Trouble) -> Result<Figures> {
    let apps = bench.size(APPS, 20);
    let shim = match trouble {
        Trouble::HungNames => Some(Shim::build(bench.folder(), bench.options.fsync_ms)?),
        _ => None,
    };
    let mut scene = Scene::set(bench, trouble, apps, shim).await?;
    let plan = Plan {
        producers: 64,
        rate: Some(if bench.options.smoke { RATE / 10.0 } else { RATE }),
        route: Route::InTurn { first: 0, apps },
        compared: false,
        ..Plan::single(bench.seconds() * LOADS)
    };
    let troubled = Plan {
        in_trouble: trouble.apps().collect(),
        ..plan.clone()
    };
    let mut pairs = Vec::new();
    for _ in 0..bench.size(PAIRS, 1) {
        let without = scene.stage.load(&plan).await?;
        scene.begin().await?;
        let with = scene.stage.load(&troubled).await?;
        scene.end().await?;
        if !bench.options.smoke {
            sleep(CALM).await;
        }
        pairs.push((without, with));
    }
    let p99 = |outcome: &Outcome| outcome.judged.whole.ms(0.99);
    let ratios = pairs.iter().map(|(without, with)| p99(with) / p99(without)).collect();
    let without = middle(pairs.iter().map(|(without, _)| p99(without)).collect());
    let with = middle(pairs.iter().map(|(_, with)| p99(with)).collect());
    let Some((_, last)) = pairs.pop() else {
        return Ok(Figures::default());
    };
    let mut figures = last.figures(0.0);
    figures.p99_ms = with;
    Ok(figures
        .with("p99_without_ms", without)
        .with("p99_ratio", middle(ratios)))
}

impl Trouble {
    fn apps(self) -> impl Iterator<Item = usize> {
        0..if matches!(self, Self::Ten) { 10 } else { 1 }
    }

    fn behaviour(self, app: usize) -> Option<Behaviour> {
        match (self, app % 3) {
            (Self::Endpoint(how), _) => Some(how),
            (Self::Ten, 0) => Some(Behaviour::Silent),
            (Self::Ten, 1) => Some(Behaviour::Slow { ms: 2_900 }),
            (Self::Ten, _) => Some(Behaviour::Dribble),
            (Self::SlowTls, _) => Some(Behaviour::SlowTls),
            (Self::WebsocketStall | Self::HungNames, _) => None,
        }
    }
}

/// A stage on which the trouble can begin and end.
struct Scene {
    stage: Stage,
    trouble: Trouble,
    client: Option<subscriber::Client>,
    shim: Option<Shim>,
}

impl Scene {
    async fn set(bench: &Bench, trouble: Trouble, apps: usize, shim: Option<Shim>) -> Result<Self> {
        let config = Config {
            tls: matches!(trouble, Trouble::SlowTls),
            ..Config::default()
        };
        let mut stage = Stage::open(bench, apps, &config, shim.as_ref()).await?;
        let mut client = None;
        match trouble {
            Trouble::WebsocketStall => client = Some(stage.websocket(0, 0).await?),
            Trouble::HungNames => {
                let url = format!("http://app.slow.test:{}/hook/0", stage.listening.plain.port());
                stage.platform.app(0, 0, &Mode::Webhook { url }).await?;
            }
            Trouble::SlowTls => {
                let address = stage.listening.tls.context("the sink serves no TLS")?;
                let url = format!("https://{address}/hook/0");
                stage.platform.app(0, 0, &Mode::Webhook { url }).await?;
            }
            Trouble::Endpoint(_) | Trouble::Ten => stage.webhook(0, 0).await?,
        }
        for number in 1..apps {
            stage.webhook(number, number).await?;
        }
        if let Some(client) = &client {
            stage.subscribe(vec![client.clone()], 1, false).await?;
        }
        Ok(Self {
            stage,
            trouble,
            client,
            shim,
        })
    }

    async fn begin(&mut self) -> Result<()> {
        self.turn(true).await
    }

    async fn end(&mut self) -> Result<()> {
        self.turn(false).await
    }

    async fn turn(&mut self, on: bool) -> Result<()> {
        for app in self.trouble.apps().collect::<HashSet<_>>() {
            if let Some(how) = self.trouble.behaviour(app) {
                let how = if on { how } else { Behaviour::Good };
                let _: Counts = self.stage.sink.ask(&Command::Behave { app, how }).await?;
            }
        }
        if let Some(shim) = &self.shim {
            shim.hang_names(on)?;
        }
        if let Some(client) = &self.client {
            // Its arrivals are forgotten with it: it is the one app that is not compared then.
            self.stage.unsubscribe();
            self.stage.subscribe(vec![client.clone()], 1, on).await?;
        }
        Ok(())
    }
}
