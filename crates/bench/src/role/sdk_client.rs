//! A client of Larkspur's SDK as a user would write it; and one that only reads frames and acknowledges them, which is
//! what a persistent connection costs at least.

use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Domain, Event, Router, State};
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ENDPOINT_PATH, EndpointReply, EndpointRequest};
use larkspur_wire::frame::{Frame, Kind};
use larkspur_wire::{AppId, Secret};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::say;
use crate::http::{Connection, request};
use crate::seed::APP_ID;

/// Where to connect, and on what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: SocketAddr,
    /// A runtime with a worker for each processor instead of one thread.
    pub(crate) multi_thread: bool,
}

type Handled = Arc<AtomicU64>;

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>, State(handled): State<Handled>) {
    handled.fetch_add(u64::from(check.background_check_id.is_some()), Ordering::Relaxed);
}

/// Connects, and answers each line on stdin with the number of events handled.
pub(super) fn run(spec: &Spec) -> Result<()> {
    let app = App::new(APP_ID, "secret")?.domain(Domain::parse(&format!("http://{}", spec.address))?);
    let handled = Handled::default();
    let router = Router::new().on(on_check).with_state(Arc::clone(&handled));
    std::thread::spawn(move || answer_with(&handled));
    runtime(spec)?.block_on(async move {
        tokio::spawn(app.connect(router).into_future()).await??;
        bail!("the client ended")
    })
}

/// Reads frames and acknowledges them, and nothing else.
pub(super) fn run_bare(spec: &Spec) -> Result<()> {
    let handled = Handled::default();
    let counted = Arc::clone(&handled);
    std::thread::spawn(move || answer_with(&handled));
    runtime(spec)?.block_on(take(spec.address, &counted))
}

fn runtime(spec: &Spec) -> Result<tokio::runtime::Runtime> {
    let mut builder = if spec.multi_thread {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    Ok(builder.enable_all().build()?)
}

fn answer_with(handled: &AtomicU64) {
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        if say(&handled.load(Ordering::Relaxed)).is_err() {
            break;
        }
    }
    // Whoever measured has gone.
    std::process::abort();
}

async fn take(address: SocketAddr, handled: &AtomicU64) -> Result<()> {
    let app_id: AppId = APP_ID.parse()?;
    let body = EndpointRequest::write(&app_id, &Secret::from("secret"));
    let mut http = Connection::open(address).await?;
    let answer = http.exchange(&request("POST", ENDPOINT_PATH, "", &body)).await?;
    let EndpointReply::Connect { url, .. } = EndpointReply::parse(&answer.body)? else {
        bail!("the endpoint refused");
    };
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let shaken = tokio_tungstenite::client_async(url.expose(), stream).await;
    let mut socket = shaken.context("the handshake failed")?.0;
    loop {
        let mut next = socket.next().await;
        loop {
            if let Message::Binary(bytes) = next.context("the gateway closed")?? {
                let frame = Frame::read(bytes)?;
                if frame.kind() == Kind::Event {
                    handled.fetch_add(1, Ordering::Relaxed);
                    let ack = frame.into_ack(Ack::ok().write().into(), 0);
                    socket.feed(Message::Binary(ack.write())).await?;
                }
            }
            match socket.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        socket.flush().await?;
    }
}
