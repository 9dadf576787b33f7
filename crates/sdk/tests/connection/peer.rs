//! The platform's side of a connection, played by hand.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use larkspur::{App, Domain};
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ClientConfig, EndpointReply};
use larkspur_wire::frame::{Frame, Kind, Outgoing};
use larkspur_wire::{FRAGMENT_BYTES_MAX, TimestampMs};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Nothing here takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const EVENT_TYPE: &str = "acs.access_record.created_v1";

/// An endpoint that answers look-ups, and a listener for the connections.
pub(crate) struct Peer {
    endpoint: SocketAddr,
    listener: TcpListener,
    look_ups: Arc<AtomicUsize>,
}

fn config() -> ClientConfig {
    ClientConfig {
        ping_interval: 1,
        reconnect_nonce: 0,
        ..ClientConfig::default()
    }
}

impl Peer {
    /// Answers look-ups with a URL, but `silent` of them with nothing at all.
    pub(crate) async fn start(silent: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "ws://{}/ws/v2?device_id=77&service_id=5",
            listener.local_addr().unwrap()
        );
        let endpoint = web.local_addr().unwrap();
        let look_ups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&look_ups);
        let answer = async move || {
            if counted.fetch_add(1, Ordering::SeqCst) < silent {
                std::future::pending::<()>().await;
            }
            EndpointReply::write_connect(&url, &config(), "success")
        };
        let routes = axum::Router::new().route("/callback/ws/endpoint", post(answer));
        tokio::spawn(axum::serve(web, routes).into_future());
        Self {
            endpoint,
            listener,
            look_ups,
        }
    }

    pub(crate) fn app(&self) -> App {
        let domain = Domain::parse(&format!("http://{}", self.endpoint)).unwrap();
        let app = App::new("cli_9f5343c580712544", "secret").unwrap().domain(domain);
        app.reconnect_waits(Duration::from_millis(1)..=Duration::from_millis(50))
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::SeqCst)
    }

    /// The next connection that a client opens.
    pub(crate) async fn accept(&self) -> Session {
        let accepted = timeout(PATIENCE, self.listener.accept()).await.expect("a connection");
        Session {
            socket: accept_async(accepted.unwrap().0).await.unwrap(),
        }
    }
}

pub(crate) struct Session {
    socket: WebSocketStream<TcpStream>,
}

impl Session {
    /// Pushes an event.
    pub(crate) async fn push(&mut self, event_id: &str) {
        let body = format!(
            r#"{{"schema":"2.0","header":{{"event_id":"{event_id}","event_type":"{EVENT_TYPE}"}},"event":{{}}}}"#
        );
        let outgoing = Outgoing {
            service: 5,
            message_id: event_id.parse().unwrap(),
            trace_id: "t".to_owned(),
            timestamp: TimestampMs(0),
            payload: Bytes::from(body),
        };
        for frame in Frame::event(&outgoing, FRAGMENT_BYTES_MAX, || 1) {
            self.socket.send(Message::Binary(frame.write())).await.unwrap();
        }
    }

    /// The next frame of a kind, pings being answered; `None` when the client closes the connection.
    pub(crate) async fn next(&mut self, kind: Kind) -> Option<Frame> {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
            match next {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = Frame::read(bytes).unwrap();
                    if frame.kind() == Kind::Ping {
                        let pong = Frame::pong(5, &config());
                        self.socket.send(Message::Binary(pong.write())).await.unwrap();
                    }
                    if frame.kind() == kind {
                        return Some(frame);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next ack: of which event, and with which code.
    pub(crate) async fn ack(&mut self) -> (String, i64) {
        let frame = self.next(Kind::Event).await.expect("an ack");
        let code = Ack::parse(frame.payload.as_deref().unwrap()).unwrap().code;
        (frame.message_id().unwrap().to_string(), code)
    }
}

/// Which way a proxy is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Connect,
    Socks5,
}

/// A proxy that tunnels for the user `u` with the password `p`; answers its address and what counts its tunnels.
pub(crate) async fn proxy(way: Way) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let target = match way {
                    Way::Connect => asked_by_connect(&mut client).await,
                    Way::Socks5 => asked_by_socks(&mut client).await,
                };
                let Some(target) = target else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, tunnels)
}

async fn asked_by_connect(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    // "u:p" in base64.
    let known = head.contains("Proxy-Authorization: Basic dTpw\r\n");
    let status = if known {
        "200 OK"
    } else {
        "407 Proxy Authentication Required"
    };
    let answer = format!("HTTP/1.1 {status}\r\n\r\n");
    client.write_all(answer.as_bytes()).await.ok()?;
    known.then(|| head.split(' ').nth(1).unwrap().to_owned())
}

async fn asked_by_socks(client: &mut TcpStream) -> Option<String> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).await.ok()?;
    client.write_all(&[5, 2]).await.ok()?;
    let mut user = [0; 5];
    client.read_exact(&mut user).await.ok()?;
    let known = user == [1, 1, b'u', 1, b'p'];
    client.write_all(&[1, u8::from(!known)]).await.ok()?;
    // Version, command, reserved, IPv4, then address and port.
    let mut request = [0; 10];
    client.read_exact(&mut request).await.ok()?;
    let [5, 1, 0, 1, a, b, c, d, high, low] = request else {
        return None;
    };
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    let port = u16::from_be_bytes([high, low]);
    known.then(|| format!("{a}.{b}.{c}.{d}:{port}"))
}
