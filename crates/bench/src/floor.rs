//! Floors: what this machine can do at all, measured in the same run, so that a figure says something elsewhere too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use larkspur_wire::AppId;

use crate::peer::{PATIENCE, POLL, Peer};
use crate::platform::ENCRYPT_KEY;
use crate::process;
use crate::record::{self, Counts};
use crate::report::count;
use crate::role::{Command, Role, bare, disk, echo, load, sink, subscriber};
use crate::shim::Shim;

/// Long enough for a steady figure.
const SECONDS_MAX: f64 = 2.0;

/// Events a second from the load generator to a handler that does nothing.
pub(crate) async fn http(folder: &Path, producers: usize, batch: u64, seconds: f64) -> Result<f64> {
    let mut empty = Peer::start(Role::Empty, &(), None)?;
    let address: SocketAddr = empty.next().await?;
    let done = load(address, folder, producers, batch, seconds.min(SECONDS_MAX)).await?;
    Ok(per_s(done.acked, done.started_ns, done.ended_ns))
}

async fn load(address: SocketAddr, folder: &Path, producers: usize, batch: u64, seconds: f64) -> Result<load::Done> {
    let spec = load::Spec {
        address,
        token: String::new(),
        producers,
        batch,
        rate: None,
        seconds,
        events_max: u64::MAX,
        first_seq: 0,
        first_tenant: 0,
        tenants: 1,
        record: folder.join("floor"),
    };
    Peer::start(Role::Load, &spec, None)?.next().await
}

fn per_s(n: u64, from_ns: u64, to_ns: u64) -> f64 {
    count(n) * 1e9 / count(to_ns - from_ns)
}

/// How events reach the one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Webhook,
    Websocket,
}

/// What the least that keeps events and pushes them does with the same load.
pub(crate) struct Bare {
    pub(crate) delivered_per_s: f64,
    pub(crate) cpu_us_per_event: f64,
}

/// The same load generator, sink or subscriber, disk and number of threads, and between them only what no platform can
/// leave out.
pub(crate) async fn bare(
    folder: &Path,
    mode: Mode,
    (producers, batch): (usize, u64),
    seconds: f64,
    shim: Option<&Shim>,
) -> Result<Bare> {
    let folder = tempfile::tempdir_in(folder)?;
    let encrypt_key = ENCRYPT_KEY.to_owned();
    let spec = sink::Spec {
        encrypt_key: encrypt_key.clone(),
        apps: 1,
        tls: None,
    };
    let mut receiver = Peer::start(Role::Sink, &spec, None)?;
    let listening: sink::Listening = receiver.next().await?;
    let spec = bare::Spec {
        path: folder.path().join("bare.db"),
        encrypt_key,
        endpoint: (mode == Mode::Webhook).then_some(listening.plain),
    };
    let mut bare = Peer::start(Role::Bare, &spec, shim)?;
    let address = bare.next().await?;
    if mode == Mode::Websocket {
        let client = subscriber::Client {
            app: 0,
            app_id: AppId::mint([1; 8]).to_string(),
            app_secret: "the bench's secret".to_owned(),
        };
        let spec = subscriber::Spec {
            address,
            clients: vec![client],
            connections: 1,
            apps: 1,
            stall: false,
        };
        receiver = Peer::start(Role::Subscriber, &spec, None)?;
        let _: usize = receiver.next().await?;
    }
    let done = load(address, folder.path(), producers, batch, seconds).await?;
    let started = Instant::now();
    let path = folder.path().join("arrived");
    loop {
        let counts: Counts = receiver.ask(&Command::Save { path: path.clone() }).await?;
        if counts.distinct == done.acked && counts.foreign == 0 {
            break;
        }
        if started.elapsed() > PATIENCE {
            bail!("of {} events {counts:?} came through the floor", done.acked);
        }
        tokio::time::sleep(POLL).await;
    }
    let last_ns = record::load(&path)?.into_iter().max().unwrap_or_default();
    let cpu = process::cpu(bare.pid())?;
    Ok(Bare {
        delivered_per_s: per_s(done.acked, done.started_ns, last_ns),
        cpu_us_per_event: cpu.as_secs_f64() * 1e6 / count(done.acked),
    })
}

/// Appended and synced kibibytes a second.
pub(crate) async fn disk(folder: &Path, seconds: f64, shim: Option<&Shim>) -> Result<f64> {
    let spec = disk::Spec {
        path: folder.join("appended"),
        seconds: seconds.min(SECONDS_MAX),
    };
    Peer::start(Role::Disk, &spec, shim)?.next().await
}

/// Messages a second there and back over one WebSocket.
pub(crate) async fn echo(seconds: f64) -> Result<f64> {
    let seconds = seconds.min(SECONDS_MAX);
    let mut far = Peer::start(Role::Echo, &echo::Spec { connect: None, seconds }, None)?;
    let connect = Some(far.next().await?);
    Peer::start(Role::Echo, &echo::Spec { connect, seconds }, None)?
        .next()
        .await
}
