//! Persistent connections, as an SDK opens them: one that takes events as fast as it can, or thousands that only ping.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::Uri;
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ENDPOINT_PATH, EndpointReply, EndpointRequest, SERVICE_ID};
use larkspur_wire::envelope::Incoming;
use larkspur_wire::frame::{Frame, Kind};
use larkspur_wire::{AppId, Secret};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::{Command, Commands, say};
use crate::http::{Connection, request};
use crate::process::now_ns;
use crate::record::Received;

/// Connections opened at once; more would wait in the listener's queue and time out.
const OPENING_MAX: usize = 64;
/// Pongs come within this, or they count as missing.
const PONG_MAX: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: SocketAddr,
    /// One client for each, with these numbers and credentials.
    pub(crate) clients: Vec<Client>,
    /// How many connections each client opens.
    pub(crate) connections: usize,
    /// How many apps the measurement has.
    pub(crate) apps: usize,
    /// Open and never read again.
    pub(crate) stall: bool,
}

/// Who connects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    /// The app's number in the measurement.
    pub(crate) app: usize,
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
}

type Socket = WebSocketStream<TcpStream>;

struct Subscriber {
    received: RefCell<Received>,
    pongs: RefCell<usize>,
    lost: RefCell<usize>,
}

pub(super) async fn run(spec: Spec) -> Result<()> {
    let all = spec
        .clients
        .iter()
        .flat_map(|client| (0..spec.connections).map(move |_| client));
    let opening =
        futures_util::stream::iter(all).map(async |client| Ok((client.app, open(spec.address, client).await?)));
    let opened: Vec<Result<(usize, Socket)>> = opening.buffer_unordered(OPENING_MAX).collect().await;
    let opened: Vec<_> = opened.into_iter().collect::<Result<_>>()?;
    let subscriber = Rc::new(Subscriber {
        received: RefCell::new(Received::new(spec.apps)),
        pongs: RefCell::default(),
        lost: RefCell::default(),
    });
    let connections = opened.len();
    let (ping, pinging) = watch::channel(());
    let mut stalled = Vec::new();
    for (app, socket) in opened {
        if spec.stall {
            stalled.push(socket);
            continue;
        }
        let (subscriber, pinging) = (Rc::clone(&subscriber), pinging.clone());
        tokio::task::spawn_local(async move {
            if subscriber.take(app, socket, pinging).await.is_err() {
                *subscriber.lost.borrow_mut() += 1;
            }
        });
    }
    say(&connections)?;
    let mut commands = Commands::new();
    while let Some(command) = commands.next().await? {
        match command {
            Command::Counts | Command::Behave { .. } => say(&subscriber.received.borrow().counts)?,
            Command::Save { path } => {
                subscriber.received.borrow().save(&path)?;
                say(&subscriber.received.borrow().counts)?;
            }
            Command::Gaps => say(&[0_u64; 0])?,
            Command::Ping => say(&subscriber.ping_all(&ping, connections).await)?,
        }
    }
    Ok(())
}

async fn open(address: SocketAddr, client: &Client) -> Result<Socket> {
    let app_id: AppId = client.app_id.parse()?;
    let body = EndpointRequest::write(&app_id, &Secret::from(client.app_secret.as_str()));
    let mut http = Connection::open(address).await?;
    let answer = http
        .exchange(&request(
            "POST",
            ENDPOINT_PATH,
            "content-type: application/json\r\n",
            &body,
        ))
        .await?;
    drop(http);
    let url = match EndpointReply::parse(&answer.body)? {
        EndpointReply::Connect { url, .. } => url,
        EndpointReply::Refused { code, msg } => bail!("the endpoint answered {code}: {msg}"),
    };
    let uri: Uri = url.expose().parse()?;
    // The bare floor has a port of its own for it, and a platform may be known by a name only.
    let port = uri.port_u16().unwrap_or(address.port());
    let stream = TcpStream::connect((address.ip(), port)).await?;
    stream.set_nodelay(true)?;
    // Small, for there may be thousands.
    let config = WebSocketConfig::default().read_buffer_size(16 * 1024);
    let shaken = tokio_tungstenite::client_async_with_config(url.expose(), stream, Some(config)).await;
    Ok(shaken.context("the handshake failed")?.0)
}

impl Subscriber {
    async fn take(&self, app: usize, mut socket: Socket, mut pinging: watch::Receiver<()>) -> Result<()> {
        loop {
            tokio::select! {
                next = socket.next() => {
                    let mut next = next;
                    // What has come meanwhile is acknowledged with one write.
                    while let Some(message) = next {
                        if let Some(reply) = self.answer(app, message?) {
                            socket.feed(Message::Binary(reply.write())).await?;
                        }
                        match socket.next().now_or_never() {
                            None => break,
                            Some(None) => bail!("the platform closed"),
                            Some(more) => next = more,
                        }
                    }
                    socket.flush().await?;
                }
                changed = pinging.changed() => {
                    changed?;
                    socket.send(Message::Binary(Frame::ping(SERVICE_ID).write())).await?;
                }
            }
        }
    }

    fn answer(&self, app: usize, message: Message) -> Option<Frame> {
        let Message::Binary(bytes) = message else { return None };
        let foreign = || self.received.borrow_mut().counts.foreign += 1;
        let Ok(frame) = Frame::read(bytes) else {
            foreign();
            return None;
        };
        match frame.kind() {
            Kind::Event => {}
            Kind::Pong => {
                *self.pongs.borrow_mut() += 1;
                return None;
            }
            _ => return None,
        }
        let whole = frame.part().is_ok_and(|part| part.sum == 1);
        let payload = frame.payload.as_ref().filter(|_| whole);
        let Some(Ok(Incoming::Event(envelope))) = payload.map(|payload| Incoming::parse(payload)) else {
            foreign();
            return None;
        };
        let mut received = self.received.borrow_mut();
        received.arrived(&envelope.header.event_id, app, now_ns())?;
        received.counts.taken += 1;
        Some(frame.into_ack(Ack::ok().write().into(), 0))
    }

    async fn ping_all(&self, ping: &watch::Sender<()>, connections: usize) -> usize {
        *self.pongs.borrow_mut() = 0;
        ping.send_replace(());
        let all = async {
            while *self.pongs.borrow() + *self.lost.borrow() < connections {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(PONG_MAX, all).await;
        *self.pongs.borrow()
    }
}
