//! One client on a persistent connection: how many events it takes, how soon it is online, and what it weighs then.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::process::Command as Program;
use tokio::time::sleep;

use super::Bench;
use super::rival::Rival;
use super::table::Row;
use crate::peer::Peer;
use crate::process::{cpu, now_ns, pss_bytes};
use crate::report::middle;
use crate::role::gateway::{Done, Online, Round};
use crate::role::{Command, Role, sdk_client};
use crate::seed;

/// Events on their way at a time.
const WINDOW: u64 = 64;
/// Nothing is pushed for this long after the upgrade: Python drops what comes before its receiving task runs.
const SETTLE: Duration = Duration::from_millis(500);
/// A part of a second in which code is compiled, caches are filled and buffers grow.
const WARM_UP_SECONDS: f64 = 0.3;
/// How often a start is repeated.
const STARTS: usize = 7;

/// A gateway and the client that is online at it.
struct Pair {
    gateway: Peer,
    client: Peer,
    started_in: Duration,
}

impl Pair {
    async fn open(start: impl FnOnce(SocketAddr) -> Result<Peer>) -> Result<Self> {
        let mut gateway = Peer::start(Role::Gateway, &(), None)?;
        let address = gateway.next().await?;
        let before = now_ns();
        let client = start(address)?;
        let Online { at_ns } = gateway.next().await?;
        Ok(Self {
            gateway,
            client,
            started_in: Duration::from_nanos(at_ns.saturating_sub(before)),
        })
    }

    /// Pushes for a while; the figures of that while.
    async fn push(mut self, case: &'static str, who: &str, seconds: f64) -> Result<Row> {
        sleep(SETTLE).await;
        let warmed = self.round(WARM_UP_SECONDS.min(seconds)).await?;
        let before = cpu(self.client.pid())?;
        let done = self.round(seconds).await?;
        let cpu = cpu(self.client.pid())?.saturating_sub(before);
        let handled: u64 = self.client.ask(&Command::Counts).await?;
        let acked = warmed.events + done.events;
        ensure!(
            handled == acked,
            "{acked} events were acknowledged, and {handled} handled"
        );
        #[expect(clippy::cast_precision_loss, reason = "counts of a measurement are far below 2⁵³")]
        let events = done.events as f64;
        Ok(Row::new(case, who)
            .with("events_per_s", (events / done.seconds).round())
            .with("cpu_us_per_event", cpu.as_secs_f64() * 1e6 / events))
    }

    async fn round(&mut self, seconds: f64) -> Result<Done> {
        let round = Round {
            window: WINDOW,
            seconds,
        };
        self.gateway.tell(&round).await
    }
}

fn ours(role: Role, multi_thread: bool) -> impl FnOnce(SocketAddr) -> Result<Peer> {
    move |address| Peer::start(role, &sdk_client::Spec { address, multi_thread }, None)
}

fn theirs(rival: &Rival) -> impl FnOnce(SocketAddr) -> Result<Peer> {
    move |address| {
        let spec = json!({
            "domain": format!("http://{address}"), "app_id": seed::APP_ID, "app_secret": "secret",
            "event_type": seed::EVENT_TYPE,
        });
        let program: Program = rival.program("connection", &spec)?;
        Peer::run(&rival.name, program)
    }
}

pub(super) async fn throughput(bench: &Bench) -> Result<Vec<Row>> {
    const CASE: &str = "connection";
    let seconds = bench.seconds();
    let mut rows = Vec::new();
    for (who, role, multi_thread) in [
        ("larkspur, one thread", Role::SdkClient, false),
        ("larkspur, several", Role::SdkClient, true),
        ("floor: frames and acks", Role::BareClient, false),
    ] {
        let pair = Pair::open(ours(role, multi_thread)).await?;
        rows.push(pair.push(CASE, who, seconds).await?);
    }
    let rivals = async |rival: &Rival| Pair::open(theirs(rival)).await?.push(CASE, &rival.name, seconds).await;
    rows.extend(bench.each_rival(CASE, rivals).await);
    Ok(rows)
}

pub(super) async fn start(bench: &Bench) -> Result<Vec<Row>> {
    const CASE: &str = "start";
    let row = |who: &str, started_in: Duration| Row::new(CASE, who).with("ms", started_in.as_secs_f64() * 1e3);
    let mut times = Vec::new();
    for _ in 0..if bench.options.smoke { 1 } else { STARTS } {
        times.push(Pair::open(ours(Role::SdkClient, false)).await?.started_in.as_secs_f64());
    }
    let mut rows = vec![row("larkspur", Duration::from_secs_f64(middle(times)))];
    let rivals = async |rival: &Rival| Ok(row(&rival.name, Pair::open(theirs(rival)).await?.started_in));
    rows.extend(bench.each_rival(CASE, rivals).await);
    Ok(rows)
}

pub(super) async fn memory(bench: &Bench) -> Result<Vec<Row>> {
    const CASE: &str = "memory";
    let row = async |who: &str, mut pair: Pair| {
        sleep(SETTLE).await;
        let idle = pss_bytes(pair.client.pid())?;
        pair.round(bench.seconds()).await?;
        let busy = pss_bytes(pair.client.pid())?;
        anyhow::Ok(
            Row::new(CASE, who)
                .with("mib", mib(idle))
                .with("mib_after_load", mib(busy)),
        )
    };
    let mut rows = vec![row("larkspur", Pair::open(ours(Role::SdkClient, false)).await?).await?];
    let rivals = async |rival: &Rival| row(&rival.name, Pair::open(theirs(rival)).await?).await;
    rows.extend(bench.each_rival(CASE, rivals).await);
    Ok(rows)
}

fn mib(bytes: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the memory of a process is far below 2⁵³ bytes"
    )]
    let bytes = bytes as f64;
    bytes / f64::from(1_u32 << 20)
}
