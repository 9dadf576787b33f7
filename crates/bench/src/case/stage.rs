//! A platform with apps, the sinks they lead to, and a load that is compared with what arrived.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::time::sleep;

use super::Bench;
use super::plan::{Outcome, Plan, per, seconds};
use crate::judge::{Comparison, Route};
use crate::peer::{PATIENCE, POLL, Peer};
use crate::platform::{Config, ENCRYPT_KEY, Mode, Platform, ROOT};
use crate::record::Counts;
use crate::role::{Command, Role, load, sink, subscriber};
use crate::shim::Shim;
use crate::{event, process, record};

/// Attempts are written down behind the pushes.
const LOG_PATIENCE: Duration = Duration::from_secs(15);
/// The newest deliveries are compared with the log, so many pages of a thousand.
const LOG_PAGES: usize = 10;

/// Everything that one measurement needs.
pub(super) struct Stage {
    folder: TempDir,
    pub(super) platform: Platform,
    pub(super) sink: Peer,
    pub(super) listening: sink::Listening,
    subscribers: Vec<Peer>,
    apps: usize,
    next_seq: u64,
}

impl Stage {
    /// A platform without apps, and a sink for so many.
    pub(super) async fn open(bench: &Bench, apps: usize, config: &Config, shim: Option<&Shim>) -> Result<Self> {
        let folder = tempfile::tempdir_in(bench.folder())?;
        let shim = shim.or(bench.shim.as_ref());
        let tls = config.tls.then(sink::Identity::new).transpose()?;
        if let Some(identity) = &tls {
            std::fs::write(folder.path().join(ROOT), &identity.certificate)?;
        }
        let platform = Platform::start(&bench.binary.path, folder.path(), config, shim).await?;
        let encrypt_key = ENCRYPT_KEY.to_owned();
        let mut sink = Peer::start(Role::Sink, &sink::Spec { encrypt_key, apps, tls }, None)?;
        let listening = sink.next().await?;
        Ok(Self {
            folder,
            platform,
            sink,
            listening,
            subscribers: Vec::new(),
            apps,
            next_seq: 0,
        })
    }

    /// A platform with one webhook app for each number, each in the tenant that `tenant` says.
    pub(super) async fn with_webhooks(bench: &Bench, apps: usize, tenant: fn(usize) -> usize) -> Result<Self> {
        let stage = Self::open(bench, apps, &Config::default(), None).await?;
        for number in 0..apps {
            stage.webhook(number, tenant(number)).await?;
        }
        Ok(stage)
    }

    /// Makes an app that the sink serves, at an address of its own, as apps have: connections of one are of no use to
    /// another.
    pub(super) async fn webhook(&self, number: usize, tenant: usize) -> Result<()> {
        let [high, low] = u16::try_from(number + 1)?.to_be_bytes();
        let url = format!(
            "http://127.0.{high}.{low}:{}/hook/{number}",
            self.listening.plain.port()
        );
        self.platform.app(number, tenant, &Mode::Webhook { url }).await?;
        Ok(())
    }

    /// Makes an app that gets its events over a persistent connection.
    pub(super) async fn websocket(&self, number: usize, tenant: usize) -> Result<subscriber::Client> {
        let app = self.platform.app(number, tenant, &Mode::Websocket).await?;
        Ok(subscriber::Client {
            app: number,
            app_id: app.app_id,
            app_secret: app.app_secret,
        })
    }

    /// Connects clients, in a process of their own.
    pub(super) async fn subscribe(
        &mut self,
        clients: Vec<subscriber::Client>,
        connections: usize,
        stall: bool,
    ) -> Result<()> {
        let spec = subscriber::Spec {
            address: self.platform.address,
            clients,
            connections,
            apps: self.apps,
            stall,
        };
        let mut subscriber = Peer::start(Role::Subscriber, &spec, None)?;
        let opened: usize = subscriber.next().await?;
        if opened != spec.clients.len() * connections {
            bail!("{opened} connections were opened");
        }
        self.subscribers.push(subscriber);
        Ok(())
    }

    /// Disconnects the clients that connected last; what they got is forgotten.
    pub(super) fn unsubscribe(&mut self) {
        self.subscribers.pop();
    }

    pub(super) fn subscriber(&mut self) -> Result<&mut Peer> {
        self.subscribers.last_mut().context("nobody is connected")
    }

    /// Sends a load, waits until all of it arrived, and compares.
    pub(super) async fn load(&mut self, plan: &Plan) -> Result<Outcome> {
        let before = (self.counts().await?, self.platform.counters().await?);
        let (cpu, sink_cpu) = (process::cpu(self.platform.pid())?, process::cpu(self.sink.pid())?);
        let record = self.folder.path().join("sent");
        let spec = load::Spec {
            address: self.platform.address,
            token: Platform::token().to_owned(),
            producers: plan.producers,
            batch: plan.batch,
            rate: plan.rate,
            seconds: plan.seconds,
            events_max: plan.events_max,
            first_seq: self.next_seq,
            first_tenant: match plan.route {
                Route::Every => 0,
                Route::InTurn { first, .. } => first,
            },
            tenants: match plan.route {
                Route::Every => 1,
                Route::InTurn { apps, .. } => apps,
            },
            record: record.clone(),
        };
        let done: load::Done = Peer::start(Role::Load, &spec, None)?.next().await?;
        let pss_bytes = process::pss_bytes(self.platform.pid())?;
        if done.refused > 0 {
            bail!("the platform refused {} events", done.refused);
        }
        let fan = if plan.route == Route::Every {
            self.apps as u64
        } else {
            1
        };
        self.wait_arrived(before.0.distinct + done.acked * fan, plan).await?;
        let cpu = process::cpu(self.platform.pid())?.saturating_sub(cpu);
        let sink_cpu = process::cpu(self.sink.pid())?.saturating_sub(sink_cpu);
        let times_ns = load::times(&record)?;
        let judged = Comparison {
            times_ns: &times_ns,
            first_seq: self.next_seq,
            arrived_ns: &self.arrived_ns().await?,
            apps: self.apps,
            route: plan.route,
            in_trouble: &plan.in_trouble,
        }
        .judge()?;
        self.next_seq += times_ns.len() as u64;
        let counts = self.counts().await?;
        if counts.foreign > before.0.foreign {
            bail!(
                "{} pushes do not verify or hold events that nobody sent",
                counts.foreign - before.0.foreign
            );
        }
        if plan.compared {
            self.compare_counters(before.1.events_accepted + done.acked, counts.taken)
                .await?;
            self.compare_log().await?;
        }
        Ok(Outcome {
            seconds: seconds(done.started_ns, judged.last_ns),
            accepted_per_s: per(done.acked, seconds(done.started_ns, done.ended_ns)),
            judged,
            cpu,
            throttled: done.throttled,
            repeats: counts.repeats - before.0.repeats,
            sink_cpu,
            pss_bytes,
        })
    }

    /// What all sinks counted together.
    async fn counts(&mut self) -> Result<Counts> {
        let mut sum = Counts::default();
        for peer in std::iter::once(&mut self.sink).chain(&mut self.subscribers) {
            let counts: Counts = peer.ask(&Command::Counts).await?;
            sum.distinct += counts.distinct;
            sum.repeats += counts.repeats;
            sum.foreign += counts.foreign;
            sum.taken += counts.taken;
        }
        Ok(sum)
    }

    async fn wait_arrived(&mut self, distinct: u64, plan: &Plan) -> Result<()> {
        // Apps in trouble get nothing, so that the number is never reached.
        let patience = if plan.in_trouble.is_empty() {
            PATIENCE
        } else {
            Duration::from_millis(500)
        };
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let counts = self.counts().await?;
            if counts.distinct >= distinct || since.elapsed() > patience {
                return Ok(());
            }
            if counts.distinct > seen {
                (seen, since) = (counts.distinct, Instant::now());
            }
            sleep(POLL).await;
        }
    }

    async fn arrived_ns(&mut self) -> Result<Vec<u64>> {
        let path = self.folder.path().join("arrived");
        let mut all = Vec::new();
        for peer in std::iter::once(&mut self.sink).chain(&mut self.subscribers) {
            let _: Counts = peer.ask(&Command::Save { path: path.clone() }).await?;
            let one = record::load(&path)?;
            all.resize(one.len().max(all.len()), 0);
            all.iter_mut().zip(one).for_each(|(all, one)| *all = one.max(*all));
        }
        Ok(all)
    }

    /// The platform's own counts must say the same as ours.
    async fn compare_counters(&self, accepted: u64, taken: u64) -> Result<()> {
        let start = Instant::now();
        loop {
            let counters = self.platform.counters().await?;
            let found = (counters.events_accepted, counters.attempts_delivered);
            if found == (accepted, taken) {
                return Ok(());
            }
            if start.elapsed() > LOG_PATIENCE {
                bail!(
                    "the platform counts {found:?} events and deliveries, we count {:?}",
                    (accepted, taken)
                );
            }
            sleep(POLL).await;
        }
    }

    /// The newest rows of the platform's log must be delivered events of ours.
    async fn compare_log(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let pending = self
                .platform
                .api("GET", "/deliveries?state=pending&limit=1", None)
                .await?;
            if pending["items"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            if start.elapsed() > LOG_PATIENCE {
                bail!("the log still has a delivery on its way: {}", pending["items"][0]);
            }
            sleep(POLL).await;
        }
        let mut after = String::new();
        for _ in 0..LOG_PAGES {
            let page = self
                .platform
                .api("GET", &format!("/deliveries?limit=1000{after}"), None)
                .await?;
            for row in page["items"].as_array().into_iter().flatten() {
                let seq = row["event_id"].as_str().and_then(event::seq);
                if row["state"] != "delivered" || row["attempts"] == 0 || seq.is_none_or(|seq| seq >= self.next_seq) {
                    bail!("the log has {row}");
                }
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        Ok(())
    }
}
