//! One app in trouble among a hundred, or ten: how much longer the others wait.

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
}

/// Every kind of trouble at once, some of them for several apps.
pub(super) const TEN: [Trouble; 10] = [
    Trouble::WebsocketStall,
    Trouble::HungNames,
    Trouble::SlowTls,
    Trouble::Endpoint(Behaviour::Silent),
    Trouble::Endpoint(SLOW_ANSWERS),
    Trouble::Endpoint(Behaviour::Dribble),
    Trouble::Endpoint(Behaviour::Silent),
    Trouble::Endpoint(SLOW_ANSWERS),
    Trouble::Endpoint(Behaviour::Dribble),
    Trouble::Endpoint(Behaviour::Silent),
];
/// Just within the platform's deadline.
pub(super) const SLOW_ANSWERS: Behaviour = Behaviour::Slow { ms: 2_900 };

/// The others' times with the first apps in trouble, and the median ratio of pairs with and without.
pub(super) async fn run(bench: &Bench, troubles: &[Trouble]) -> Result<Figures> {
    let apps = bench.size(APPS, 20);
    let mut scene = Scene::set(bench, troubles, apps).await?;
    let plan = Plan {
        producers: 64,
        rate: Some(if bench.options.smoke { RATE / 10.0 } else { RATE }),
        route: Route::InTurn { first: 0, apps },
        compared: false,
        ..Plan::single(bench.seconds() * LOADS)
    };
    let with_trouble = Plan {
        in_trouble: (0..troubles.len()).collect(),
        ..plan.clone()
    };
    let mut pairs = Vec::new();
    for _ in 0..bench.size(PAIRS, 1) {
        let without = scene.stage.load(&plan).await?;
        scene.begin().await?;
        let with = scene.stage.load(&with_trouble).await?;
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
    fn behaviour(self) -> Option<Behaviour> {
        match self {
            Self::Endpoint(how) => Some(how),
            Self::SlowTls => Some(Behaviour::SlowTls),
            Self::WebsocketStall | Self::HungNames => None,
        }
    }
}

/// A stage on which the trouble can begin and end.
struct Scene {
    stage: Stage,
    troubles: Vec<Trouble>,
    client: Option<subscriber::Client>,
    shim: Option<Shim>,
}

impl Scene {
    async fn set(bench: &Bench, troubles: &[Trouble], apps: usize) -> Result<Self> {
        let has = |is: fn(&Trouble) -> bool| troubles.iter().any(is);
        let hangs = has(|trouble| matches!(trouble, Trouble::HungNames));
        let shim = hangs.then(|| Shim::build(bench.folder(), bench.options.fsync_ms));
        let shim = shim.transpose()?;
        let config = Config {
            tls: has(|trouble| matches!(trouble, Trouble::SlowTls)),
            ..Config::default()
        };
        let mut stage = Stage::open(bench, apps, &config, shim.as_ref()).await?;
        let mut client = None;
        for (app, trouble) in troubles.iter().enumerate() {
            match trouble {
                Trouble::WebsocketStall => client = Some(stage.websocket(app, app).await?),
                Trouble::HungNames => {
                    let url = format!("http://app.slow.test:{}/hook/{app}", stage.listening.plain.port());
                    stage.platform.app(app, app, &Mode::Webhook { url }).await?;
                }
                Trouble::SlowTls => {
                    let address = stage.listening.tls.context("the sink serves no TLS")?;
                    let url = format!("https://{address}/hook/{app}");
                    stage.platform.app(app, app, &Mode::Webhook { url }).await?;
                }
                Trouble::Endpoint(_) => stage.webhook(app, app).await?,
            }
        }
        for number in troubles.len()..apps {
            stage.webhook(number, number).await?;
        }
        if let Some(client) = &client {
            stage.subscribe(vec![client.clone()], 1, false).await?;
        }
        Ok(Self {
            stage,
            troubles: troubles.to_vec(),
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
        for (app, trouble) in self.troubles.iter().enumerate() {
            if let Some(how) = trouble.behaviour() {
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
