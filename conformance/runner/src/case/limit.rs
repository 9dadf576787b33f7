//! The fifty connections that an app may have.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::Method;
use larkspur_wire::endpoint::{EndpointReply, EndpointRequest};
use larkspur_wire::{AppId, Secret};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use super::arrive::round_trip;
use super::credentials::gives_up;
use super::{Bench, Mode, ONLINE, told};
use crate::payload::{TYPES, random};
use crate::peer::Peer;
use crate::platform::{App, Platform};

/// The most live connections of one app.
const LIMIT: usize = 50;
/// How long the platform may take to notice that connections broke.
const NOTICED: Duration = Duration::from_secs(10);

/// Fills an app's connections; the next client stops, and once one died, the next client after it is let in.
pub(super) async fn run(bench: &Bench) -> Result<()> {
    let (platform, app) = bench.stage(Mode::Ws).await?;
    let mut held = Vec::new();
    for number in 1..=LIMIT {
        held.push(
            connect(&platform, &app)
                .await
                .with_context(|| format!("connection {number} was refused"))?,
        );
    }
    platform.wait_online(&app, LIMIT as u64, NOTICED).await?;
    let told = told(&platform, &app, Mode::Ws)?;
    let mut refused = Peer::start(&bench.sdk, &told).await?;
    gives_up(&mut refused).await.context("with fifty live connections")?;

    // All break without a word, as when a machine loses power or is pulled from the network.
    drop(held);
    platform.wait_online(&app, 0, NOTICED).await?;
    let mut peer = Peer::start(&bench.sdk, &told).await?;
    platform
        .wait_online(&app, 1, ONLINE)
        .await
        .with_context(|| peer.log())?;
    round_trip(&platform, &app, &mut peer, &random(TYPES[0])?).await
}

/// Connects as an SDK does: asks for a URL, and upgrades.
async fn connect(platform: &Platform, app: &App) -> Result<WebSocketStream<TcpStream>> {
    let id: AppId = app.app_id.parse()?;
    let request = EndpointRequest::write(&id, &Secret::from(app.app_secret.as_str()));
    let url = format!("{}/callback/ws/endpoint", platform.url());
    let headers = [("content-type", "application/json")];
    let answer = platform.http().send(Method::POST, &url, &headers, request).await?;
    ensure!(answer.status == 200, "the endpoint answered {}", answer.status);
    let url = match EndpointReply::parse(&answer.body)? {
        EndpointReply::Connect { url, .. } => url,
        EndpointReply::Refused { code, msg } => bail!("the endpoint refused with {code}: {msg}"),
    };
    let address = platform.url().trim_start_matches("http://");
    let stream = TcpStream::connect(address)
        .await
        .context("cannot connect to the platform")?;
    // Dropping it then resets the connection, with no close frame and no orderly end.
    stream.set_zero_linger()?;
    let (socket, _) = tokio_tungstenite::client_async(url.expose(), stream)
        .await
        .context("the handshake was refused")?;
    Ok(socket)
}
