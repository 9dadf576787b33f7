//! The one persistent connection: frames go out as they come, and an ack says which event was taken.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use larkspur_wire::endpoint::{ClientConfig, ConnectionQuery, EndpointReply, SERVICE_ID};
use larkspur_wire::frame::{Frame, Header, Kind};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Takes the events; how many may be under way is for whoever sends them.
pub(super) struct Socket {
    address: SocketAddr,
    frames: UnboundedSender<Bytes>,
}

impl Socket {
    /// Listens for one client, and tells the number of each event that it has taken.
    pub(super) async fn listen(taken: impl Fn(i64) + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (frames, pushed) = unbounded_channel();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let socket = tokio_tungstenite::accept_async(stream).await?;
            exchange(socket, pushed, Arc::new(taken)).await
        });
        Ok(Self { address, frames })
    }

    /// What a client is told that asks where to connect.
    pub(super) fn reply(&self) -> Vec<u8> {
        let query = ConnectionQuery {
            device_id: 1,
            access_key: "a".into(),
            ticket: "t".into(),
        };
        let url = query.url(&format!("http://{}", self.address));
        EndpointReply::write_connect(&url, &ClientConfig::default(), "success")
    }

    pub(super) fn push(&self, seq: i64, envelope: Vec<u8>) -> Result<()> {
        let header = |key: &str, value: &str| Header {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let frame = Frame {
            service: SERVICE_ID,
            method: 1,
            headers: vec![
                header("type", "event"),
                header("message_id", &seq.to_string()),
                header("sum", "1"),
                header("seq", "0"),
            ],
            payload: Some(envelope.into()),
            ..Frame::default()
        };
        self.frames.send(frame.write()).context("the client has gone")
    }
}

async fn exchange(
    socket: WebSocketStream<TcpStream>,
    mut frames: UnboundedReceiver<Bytes>,
    taken: Arc<impl Fn(i64) + Send + Sync + 'static>,
) -> Result<()> {
    let (mut sink, mut source) = socket.split();
    tokio::spawn(async move {
        while let Some(Ok(message)) = source.next().await {
            let Message::Binary(bytes) = message else { continue };
            let Ok(frame) = Frame::read(bytes) else { continue };
            let seq = frame.header("message_id").and_then(|seq| seq.parse().ok());
            if let Some(seq) = seq.filter(|_| frame.kind() == Kind::Event) {
                taken(seq);
            }
        }
    });
    while let Some(first) = frames.recv().await {
        sink.feed(Message::Binary(first)).await?;
        while let Ok(more) = frames.try_recv() {
            sink.feed(Message::Binary(more)).await?;
        }
        sink.flush().await?;
    }
    Ok(())
}
