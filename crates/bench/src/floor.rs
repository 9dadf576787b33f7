//! Floors: what this machine can do at all, measured in the same run, so that a figure says something elsewhere too.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::peer::Peer;
use crate::role::{Role, disk, echo, load};
use crate::shim::Shim;

/// Long enough for a steady figure.
const SECONDS_MAX: f64 = 2.0;

/// Events a second from the load generator to a handler that does nothing.
pub(crate) async fn http(folder: &Path, producers: usize, batch: u64, seconds: f64) -> Result<f64> {
    let mut empty = Peer::start(Role::Empty, &(), None)?;
    let address: SocketAddr = empty.next().await?;
    let spec = load::Spec {
        address,
        token: String::new(),
        producers,
        batch,
        rate: None,
        seconds: seconds.min(SECONDS_MAX),
        events_max: u64::MAX,
        first_seq: 0,
        first_tenant: 0,
        tenants: 1,
        record: folder.join("floor"),
    };
    let done: load::Done = Peer::start(Role::Load, &spec, None)?.next().await?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and nanoseconds of a measurement are far below 2⁵³"
    )]
    let per_s = done.acked as f64 * 1e9 / (done.ended_ns - done.started_ns) as f64;
    Ok(per_s)
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
