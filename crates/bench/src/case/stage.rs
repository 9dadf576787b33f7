//! A platform with apps, the sinks they lead to, and a load that is compared with what arrived.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::time::sleep;

use super::Bench;
use crate::judge::{Comparison, Judged, Route};
use crate::peer::{PATIENCE, POLL, Peer};
use crate::platform::{Config, ENCRYPT_KEY, Mode, Platform, ROOT};
use crate::record::Counts;
use crate::report::{Figures, count};
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

/// A load.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) producers: usize,
    pub(super) batch: u64,
    pub(super) rate: Option<f64>,
    pub(super) seconds: f64,
    pub(super) events_max: u64,
    pub(super) route: Route,
    /// Apps that are not expected to get what they should.
    pub(super) in_trouble: HashSet<usize>,
    /// Whether the platform's counts and log must say the same; not where trouble leaves deliveries undone.
    pub(super) compared: bool,
}

/// What a load came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) judged: Judged,
    /// The platform's, until all had arrived.
    pub(super) cpu: Duration,
    /// From the first request to the last arrival.
    pub(super) seconds: f64,
    accepted_per_s: f64,
    throttled: u64,
    repeats: u64,
    sink_cpu: Duration,
    /// What the platform held in memory at the end of the load.
    pub(super) pss_bytes: u64,
}

impl Plan {
    /// One event a request, one app.
    pub(super) fn single(seconds: f64) -> Self {
        Self {
            producers: 64,
            batch: 1,
            rate: None,
            seconds,
            events_max: u64::MAX,
            route: Route::InTurn { first: 0, apps: 1 },
            in_trouble: HashSet::new(),
            compared: true,
        }
    }

    /// A hundred events a request, one app.
    pub(super) fn ndjson(seconds: f64) -> Self {
        Self {
            producers: 8,
            batch: 100,
            ..Self::single(seconds)
        }
    }
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

impl Outcome {
    /// The figures that most cases have; times are from the acknowledgement to the arrival.
    pub(super) fn figures(&self, floor_per_s: f64) -> Figures {
        let delivered = self.judged.delivered;
        let figures = Figures {
            case: String::new(),
            delivered_per_s: per(delivered, self.seconds),
            p50_ms: self.judged.receipt.ms(0.5),
            p99_ms: self.judged.receipt.ms(0.99),
            cpu_us_per_event: self.cpu_us_per_delivery(),
            floor_per_s,
            ..Figures::default()
        };
        figures
            .with("accepted_per_s", self.accepted_per_s)
            .with("accept_p50_ms", self.judged.accept.ms(0.5))
            .with("accept_p99_ms", self.judged.accept.ms(0.99))
            .with("sent_to_receipt_p50_ms", self.judged.whole.ms(0.5))
            .with("sent_to_receipt_p99_ms", self.judged.whole.ms(0.99))
            .with("throttled", count(self.throttled))
            .with("repeats", count(self.repeats))
            .with("sink_cpu_us_per_event", micros(self.sink_cpu) / count(delivered.max(1)))
            .with("pss_mib", mib(self.pss_bytes))
    }

    fn cpu_us_per_delivery(&self) -> f64 {
        micros(self.cpu) / count(self.judged.delivered.max(1))
    }
}

pub(super) fn mib(bytes: u64) -> f64 {
    count(bytes) / f64::from(1 << 20)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    Duration::from_nanos(to_ns.saturating_sub(from_ns)).as_secs_f64()
}

fn per(n: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count(n) / seconds } else { 0.0 }
}
