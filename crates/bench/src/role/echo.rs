//! Messages of 1 KiB there and back over one WebSocket, a window of them on their way at a time.
//!
//! The far end is a process of its own, as a subscriber is: the same part with an address to connect to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::say;
use crate::event::EVENT_BYTES;

/// As many as the platform has on their way to one app at once, by default.
const WINDOW: usize = 100;

/// What to do: answer echoes, or ask for them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Where to connect to; without it, the part says where it listens and echoes to one client.
    pub(crate) connect: Option<SocketAddr>,
    pub(crate) seconds: f64,
}

pub(super) async fn run(spec: Spec) -> Result<()> {
    let Some(address) = spec.connect else {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?)?;
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        return echo(tokio_tungstenite::accept_async(stream).await?).await;
    };
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await?;
    say(&ask(socket, Duration::from_secs_f64(spec.seconds)).await?)
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<()> {
    while let Some(message) = socket.next().await {
        let mut next = Some(message);
        while let Some(message) = next {
            match message? {
                message @ Message::Binary(_) => socket.feed(message).await?,
                Message::Close(_) => return Ok(()),
                _ => {}
            }
            next = socket.next().now_or_never().flatten();
        }
        socket.flush().await?;
    }
    Ok(())
}

/// Answers how many messages a second came back.
async fn ask(mut socket: WebSocketStream<TcpStream>, length: Duration) -> Result<f64> {
    let message = Message::Binary(Bytes::from(vec![b'x'; EVENT_BYTES]));
    for _ in 0..WINDOW {
        socket.feed(message.clone()).await?;
    }
    socket.flush().await?;
    let (start, mut echoed) = (Instant::now(), 0_u32);
    while start.elapsed() < length {
        let mut next = socket.next().await;
        while let Some(came) = next {
            if !came?.is_binary() {
                bail!("an echo is not what was sent");
            }
            echoed += 1;
            socket.feed(message.clone()).await?;
            next = socket.next().now_or_never().flatten();
        }
        socket.flush().await?;
    }
    let took = start.elapsed();
    socket.close(None).await.context("cannot close")?;
    Ok(f64::from(echoed) / took.as_secs_f64())
}
