//! One live connection: reads frames and hands events over, writes acks and pings, notices when the platform is gone.
//!
//! Everything that waits is written at once, and flushed when nothing more waits. Reading and writing never wait for
//! each other.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Sink, Stream, StreamExt};
use larkspur_wire::ack::Ack;
use larkspur_wire::frame::{Frame, Kind, Receipt};
use larkspur_wire::{AppId, Reassembly};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::dial::{Connection, Socket};
use super::heartbeat::{Beat, Heartbeat};
use super::lifecycle::Lifecycle;
use super::link::{Arrived, Desk};
use super::status::{ConnectionState, Reporter};
use super::trouble::Trouble;
use crate::clock;

/// Events are handed over when so many have been read, or when there is nothing more to read.
const BATCH_MAX: usize = 64;
/// A session that has always more to do lets timers and others have their turn after so many rounds.
const ROUNDS_MAX: usize = 16;
/// The platform may take this long to close its side, which makes sure that it has read our last acks.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a session ended.
pub(super) enum Ended {
    /// The connection was lost.
    Lost(Trouble),
    /// We were asked to end; all acks are sent.
    Finished,
}

/// What a session works for.
pub(super) struct Owner<'a> {
    pub(super) app_id: &'a AppId,
    pub(super) life: &'a mut Lifecycle,
    pub(super) desk: &'a mut Desk,
    pub(super) reporter: &'a Reporter,
    /// Events that were refused since we are stopping.
    pub(super) refused: &'a mut u64,
    /// The platform must take our bytes within this time.
    pub(super) write_limit: Duration,
}

pub(super) struct Session<'a> {
    owner: Owner<'a>,
    socket: Socket,
    connection: Arc<str>,
    ping: Bytes,
    heartbeat: Heartbeat,
    fragments: Reassembly,
    batch: Vec<Arrived>,
    timer: Pin<Box<Sleep>>,
    /// Since when bytes wait to be written, if any do.
    unwritten_since: Option<Instant>,
    dropped: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(owner: Owner<'a>, connection: Connection, heartbeat: Heartbeat) -> Self {
        let timer = Box::pin(sleep_until(heartbeat.due().into()));
        Self {
            owner,
            socket: connection.socket,
            connection: connection.name,
            ping: Frame::ping(connection.service).write(),
            heartbeat,
            fragments: Reassembly::default(),
            batch: Vec::new(),
            timer,
            unwritten_since: None,
            dropped: 0,
        }
    }

    /// Receives until the connection is lost or nobody needs it any more.
    pub(super) async fn run(mut self) -> Ended {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        if let Ended::Finished = ended {
            let _ = timeout(CLOSE_TIMEOUT, async {
                let _ = self.socket.close(None).await;
                while let Some(Ok(_)) = self.socket.next().await {}
            })
            .await;
        }
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..ROUNDS_MAX {
            let now = Instant::now();
            match self.round(cx, now) {
                Err(ended) => return Poll::Ready(ended),
                Ok(true) => {}
                Ok(false) if self.rests_until(self.due(), cx) => return Poll::Pending,
                Ok(false) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One look at everything; answers whether anything was done.
    fn round(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Ended> {
        let mut did = false;
        while self.owner.desk.poll_orders(cx).is_ready() {
            did = true;
        }
        if self.owner.desk.is_stopping() {
            self.owner.reporter.is(ConnectionState::Draining);
        }
        did |= self.write_acks(cx, now)?;
        self.heartbeat.listens(self.owner.desk.has_room(), now);
        if self.owner.desk.has_room() {
            did |= self.read(cx, now)?;
        }
        match self.heartbeat.beat(now) {
            Beat::Ping => {
                self.write(Message::Binary(self.ping.clone()), now)?;
                did = true;
            }
            Beat::Dead => {
                let silent = self.heartbeat.silence_max().as_secs();
                return Err(lost(format!("the platform has been silent for {silent}s")));
            }
            Beat::Rest => {}
        }
        self.flush(cx, now)?;
        if self.owner.desk.is_ended() && self.unwritten_since.is_none() {
            return Err(Ended::Finished);
        }
        Ok(did)
    }

    fn write_acks(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Ended> {
        let mut did = false;
        loop {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(lost(error.to_string())),
                Poll::Pending => return Ok(did),
            }
            let Some(done) = self.owner.desk.next_unsent() else {
                return Ok(did);
            };
            self.write(Message::Binary(done.ack.into()), now)?;
            did = true;
        }
    }

    fn write(&mut self, message: Message, now: Instant) -> Result<(), Ended> {
        self.unwritten_since.get_or_insert(now);
        let sent = Pin::new(&mut self.socket).start_send(message);
        sent.map_err(|error| lost(error.to_string()))
    }

    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Ended> {
        let Some(since) = self.unwritten_since else {
            return Ok(());
        };
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.unwritten_since = None;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(lost(error.to_string())),
            Poll::Pending if now < since + self.owner.write_limit => Ok(()),
            Poll::Pending => Err(lost("the platform takes none of our bytes any more")),
        }
    }

    /// Reads what is there, up to a batch, and hands its events over.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Ended> {
        let mut read = 0;
        let mut ended = None;
        while read < BATCH_MAX && ended.is_none() {
            let Poll::Ready(next) = Pin::new(&mut self.socket).poll_next(cx) else {
                break;
            };
            read += 1;
            ended = self.receive(next, now)?;
        }
        if read > 0 {
            self.heartbeat.heard(now);
            self.owner.reporter.heard(now);
        }
        if !self.batch.is_empty() {
            // The next batch is likely to be as large as this one.
            let next = Vec::with_capacity(self.batch.len());
            let events = std::mem::replace(&mut self.batch, next);
            self.owner.desk.hand_over(&self.connection, events);
        }
        ended.map_or(Ok(read > 0), |trouble| Err(Ended::Lost(trouble)))
    }

    /// Takes one message; answers why the connection ended, if it did.
    fn receive(
        &mut self,
        next: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
        now: Instant,
    ) -> Result<Option<Trouble>, Ended> {
        match next {
            Some(Ok(Message::Binary(bytes))) => match Receipt::read(&bytes) {
                Some((receipt, payload)) => self.take(receipt, payload, now)?,
                None => self.take_apart(bytes, now)?,
            },
            Some(Ok(Message::Close(frame))) => {
                let why = frame.map_or_else(String::new, |frame| format!(" with code {}", frame.code));
                return Ok(Some(Trouble::lost(format!("the platform closed the connection{why}"))));
            }
            Some(Ok(Message::Ping(_))) => {
                // The library has put its answer beside what waits to be written.
                self.unwritten_since.get_or_insert(now);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Ok(Some(Trouble::lost(error.to_string()))),
            None => return Ok(Some(Trouble::lost("the connection ended"))),
        }
        Ok(None)
    }

    /// Takes an event.
    fn take(&mut self, receipt: Receipt, payload: &[u8], now: Instant) -> Result<(), Ended> {
        if !self.owner.desk.is_stopping() {
            // What is no UTF-8 is no JSON either; as nothing at all it is refused like it.
            let payload = str::from_utf8(payload).unwrap_or_default().into();
            self.batch.push(Arrived { receipt, payload });
            return Ok(());
        }
        *self.owner.refused += 1;
        let ack = receipt.into_ack(&Ack::failed().write(), 0);
        self.write(Message::Binary(ack.into()), now)
    }

    /// Takes what is no event in one frame: a fragment, a pong, or nothing of use.
    fn take_apart(&mut self, bytes: Bytes, now: Instant) -> Result<(), Ended> {
        let frame = match Frame::read(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.dropped(&error);
                return Ok(());
            }
        };
        match frame.kind() {
            Kind::Pong => {
                self.owner.life.pong(frame.payload.as_deref().unwrap_or_default());
                self.heartbeat.change(self.owner.life.ping_interval(), now);
            }
            Kind::Event => match self.fragments.push(&frame, clock::now()) {
                Ok(Some(payload)) => self.take(frame.into(), &payload, now)?,
                Ok(None) => {}
                Err(error) => self.dropped(&error),
            },
            Kind::Ping | Kind::Card | Kind::Unknown => {
                tracing::debug!(app.id = %self.owner.app_id, "ignored a message of no use to clients");
            }
        }
        Ok(())
    }

    /// Says once for a connection that messages are lost; a broken platform sends many of them.
    fn dropped(&mut self, error: &dyn std::error::Error) {
        self.dropped += 1;
        if self.dropped == 1 {
            tracing::warn!(app.id = %self.owner.app_id, "dropped a message that cannot be read: {error}");
        } else {
            tracing::debug!(app.id = %self.owner.app_id, "dropped {} messages: {error}", self.dropped);
        }
    }

    /// When to look again though nothing happened.
    fn due(&self) -> Instant {
        let written = self.unwritten_since.map(|since| since + self.owner.write_limit);
        written.map_or(self.heartbeat.due(), |written| written.min(self.heartbeat.due()))
    }

    /// Whether there is time to rest; the timer wakes us in time.
    fn rests_until(&mut self, due: Instant, cx: &mut Context<'_>) -> bool {
        if due < self.timer.deadline().into_std() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due.into());
        }
        self.timer.as_mut().poll(cx).is_pending()
    }
}

fn lost(reason: impl Into<String>) -> Ended {
    Ended::Lost(Trouble::lost(reason))
}
