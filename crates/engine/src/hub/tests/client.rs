//! A client that behaves as the official SDKs do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use larkspur_wire::AppId;
use larkspur_wire::endpoint::SERVICE_ID;
use larkspur_wire::frame::Frame;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::base;
use crate::hub::{Admission, Hub, SessionId};

/// As much as a pipe in memory holds before the writer waits.
const PIPE_BYTES: usize = 64 * 1024;

pub(super) struct Client<IO = DuplexStream> {
    pub(super) id: SessionId,
    pub(super) socket: WebSocketStream<IO>,
}

/// The query of a fresh connection URL.
pub(super) fn query(hub: &Hub, app: &AppId) -> String {
    query_of(&hub.issue_url(app, &base()).unwrap())
}

pub(super) fn query_of(url: &str) -> String {
    url.split_once('?').unwrap().1.to_owned()
}

pub(super) fn admitted(hub: &Hub, app: &AppId) -> Admission {
    hub.admit(&query(hub, app)).unwrap()
}

impl Client<DuplexStream> {
    /// Connects through a pipe in memory.
    pub(super) async fn connect(hub: &Hub, app: &AppId) -> Self {
        Self::connect_with(hub, app, PIPE_BYTES).await
    }

    pub(super) async fn connect_with(hub: &Hub, app: &AppId, pipe_bytes: usize) -> Self {
        let (ours, theirs) = tokio::io::duplex(pipe_bytes);
        Self::over(hub, app, ours, theirs).await
    }
}

impl Client<TcpStream> {
    /// Connects over the loopback interface.
    pub(super) async fn connect_tcp(hub: &Hub, app: &AppId) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        Self::over(hub, app, ours, theirs).await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> Client<IO> {
    async fn over(hub: &Hub, app: &AppId, ours: IO, theirs: IO) -> Self {
        let admission = admitted(hub, app);
        let (id, online) = (admission.session_id, hub.online(app));
        tokio::spawn({
            let hub = hub.clone();
            async move { hub.run(admission, theirs, None).await }
        });
        super::wait_for("the session begins", || hub.online(app) > online).await;
        Self {
            id,
            socket: WebSocketStream::from_raw_socket(ours, Role::Client, None).await,
        }
    }

    /// The next message that is no RFC 6455 ping or pong; `None` when the connection ended.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => return Some(message),
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) | Error::Io(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) async fn next_frame(&mut self) -> Frame {
        match self.next().await {
            Some(Message::Binary(bytes)) => Frame::read(bytes).unwrap(),
            other => panic!("{other:?} is no frame"),
        }
    }

    /// The next event, its fragments put together; the frame is the one that came last.
    pub(super) async fn next_event(&mut self) -> (Frame, Bytes) {
        let mut whole = Vec::new();
        loop {
            let frame = self.next_frame().await;
            let number = |key| frame.header(key).unwrap().parse::<usize>().unwrap();
            whole.extend_from_slice(&frame.payload.clone().unwrap());
            if number("seq") + 1 == number("sum") {
                return (frame, whole.into());
            }
        }
    }

    /// Answers an event as an SDK does: the same frame, `biz_rt` added, the payload replaced.
    pub(super) async fn ack(&mut self, frame: Frame, payload: &'static str) {
        self.send(frame.into_ack(Bytes::from_static(payload.as_bytes()), 1).write())
            .await;
    }

    pub(super) async fn ack_without_biz_rt(&mut self, mut frame: Frame, payload: &'static str) {
        frame.payload = Some(Bytes::from_static(payload.as_bytes()));
        self.send(frame.write()).await;
    }

    pub(super) async fn ping(&mut self) {
        self.send(Frame::ping(SERVICE_ID).write()).await;
    }

    pub(super) async fn send(&mut self, bytes: Bytes) {
        self.socket.send(Message::Binary(bytes)).await.unwrap();
    }

    /// Takes every event that comes until nothing came for a second; answers how many.
    pub(super) async fn take_all(mut self) -> usize {
        let mut taken = 0;
        while let Ok((frame, _)) = tokio::time::timeout(Duration::from_secs(1), self.next_event()).await {
            self.ack(frame, r#"{"code":200}"#).await;
            taken += 1;
        }
        taken
    }
}
