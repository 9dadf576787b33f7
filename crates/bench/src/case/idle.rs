//! Thousands of persistent connections on which nothing happens.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::Bench;
use super::plan::mib;
use super::stage::Stage;
use crate::platform::Config;
use crate::process::{cpu, pss_bytes};
use crate::report::{Figures, count};
use crate::role::Command;

const APPS: usize = 200;
const CONNECTIONS_PER_APP: usize = 50;
/// Handshakes leave buffers behind that are given back soon.
const SETTLE: Duration = Duration::from_secs(1);

/// Memory for each, before and after a round of pings.
pub(super) async fn run(bench: &Bench) -> Result<Figures> {
    let apps = bench.size(APPS, 4);
    let mut stage = Stage::open(bench, apps, &Config::default(), None).await?;
    let mut clients = Vec::with_capacity(apps);
    for number in 0..apps {
        clients.push(stage.websocket(number, number).await?);
    }
    let pid = stage.platform.pid();
    let before = pss_bytes(pid)?;
    stage.subscribe(clients, CONNECTIONS_PER_APP, false).await?;
    sleep(SETTLE).await;
    let connections = apps * CONNECTIONS_PER_APP;
    let opened = pss_bytes(pid)?;
    let idle_cpu = cpu(pid)?;
    let pongs: usize = stage.subscriber()?.ask(&Command::Ping).await?;
    if pongs != connections {
        bail!("of {connections} pings {pongs} were answered");
    }
    let ping_cpu = cpu(pid)?.saturating_sub(idle_cpu);
    let pinged = pss_bytes(pid)?;
    let each = |bytes: u64| count(bytes.saturating_sub(before)) / 1024.0 / count(connections as u64);
    stage.platform.stop().await?;
    Ok(Figures::default()
        .with("connections", count(connections as u64))
        .with("kib_each", each(opened))
        .with("kib_each_after_ping", each(pinged))
        .with(
            "cpu_us_per_ping",
            ping_cpu.as_secs_f64() * 1e6 / count(connections as u64),
        )
        .with("pss_mib", mib(pinged)))
}
