//! One persistent connection, from frame to frame: what the platform pushes goes down to the app, its acks go up.

mod end;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use larkspur_wire::ack::Ack;
use larkspur_wire::frame::{Frame, Kind};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::fault::{Cut, Fault, Stage};
use super::pieces::{set, split};
use super::{Shared, count, drift};

type Socket = WebSocketStream<TcpStream>;

/// A side that takes no bytes for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Events whose acks are outstanding; older ones cannot be duplicated any more.
const UNACKED_MAX: usize = 4_096;
/// Marks the message ids of the events that we push once more.
const AGAIN: &str = "-again";

/// Where a delayed message goes.
#[derive(Clone, Copy)]
enum To {
    Client,
    Platform,
}

/// Why the connection ends.
enum End {
    /// One side ended it.
    Over,
    /// We do.
    Cut(Cut),
}

pub(super) struct Relay {
    shared: Arc<Shared>,
    client: Socket,
    platform: Socket,
    cuts: broadcast::Receiver<Cut>,
    /// Messages that wait for their time.
    delayed: VecDeque<(Instant, To, Bytes)>,
    /// An event that waits until another has passed it.
    held: Option<Frame>,
    /// Events by their message ids, to be pushed once more.
    unacked: HashMap<String, Frame>,
    order: VecDeque<String>,
    standing: Standing,
}

/// Counts a connection while it stands.
struct Standing(Arc<Shared>);

impl Standing {
    fn begin(shared: &Arc<Shared>) -> Self {
        count(&shared.counts.connections);
        count(&shared.counts.standing);
        Self(Arc::clone(shared))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.counts.standing.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Relay {
    pub(super) fn new(shared: Arc<Shared>, client: Socket, platform: Socket, cuts: broadcast::Receiver<Cut>) -> Self {
        Self {
            standing: Standing::begin(&shared),
            shared,
            client,
            platform,
            cuts,
            delayed: VecDeque::new(),
            held: None,
            unacked: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let due = self.delayed.iter().map(|(at, ..)| *at).min();
            let passed = tokio::select! {
                Ok(cut) = self.cuts.recv() => Err(End::Cut(cut)),
                message = self.platform.next() => self.pass(message, To::Client).await,
                message = self.client.next() => self.pass(message, To::Platform).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.release().await,
            };
            match passed {
                Ok(()) => {}
                Err(End::Over) => return self.over().await,
                Err(End::Cut(cut)) => return self.cut(cut).await,
            }
        }
    }

    async fn send(&mut self, to: To, message: Message) -> Result<(), End> {
        let socket = match to {
            To::Client => &mut self.client,
            To::Platform => &mut self.platform,
        };
        let sent = timeout(WRITE_TIMEOUT, socket.send(message)).await;
        sent.map_err(|_| End::Over)?.map_err(|_| End::Over)
    }

    async fn release(&mut self) -> Result<(), End> {
        let now = Instant::now();
        while let Some(idx) = self.delayed.iter().position(|(at, ..)| *at <= now) {
            let Some((_, to, bytes)) = self.delayed.remove(idx) else {
                break;
            };
            self.send(to, Message::Binary(bytes)).await?;
        }
        Ok(())
    }

    /// Something from one side, on its way to the other.
    async fn pass<E>(&mut self, message: Option<Result<Message, E>>, to: To) -> Result<(), End> {
        let Some(Ok(message)) = message else {
            return Err(End::Over);
        };
        // The library answers these itself.
        if message.is_ping() || message.is_pong() {
            return Ok(());
        }
        match (event_in(&message), to) {
            (Some(frame), To::Client) => self.event(frame).await,
            (Some(frame), To::Platform) => self.ack(frame, message).await,
            (None, to) => self.send(to, message).await,
        }
    }

    async fn event(&mut self, frame: Frame) -> Result<(), End> {
        match self.shared.take(Stage::Event) {
            None => self.push(vec![frame]).await?,
            Some(Fault::DropEvent) => return Ok(()),
            Some(Fault::Delay(by)) => {
                self.remember(&frame);
                count(&self.shared.counts.events);
                self.delayed.push_back((Instant::now() + by, To::Client, frame.write()));
                return Ok(());
            }
            Some(Fault::Reorder) => {
                // Of two that are held, the first goes before the second has to wait too.
                let before = self.held.replace(frame);
                return self.push(before.into_iter().collect()).await;
            }
            Some(Fault::Fragment { bytes }) => {
                self.remember(&frame);
                let mut fragments = split(&frame, bytes);
                fragments.reverse();
                self.push(fragments).await?;
            }
            Some(Fault::ClaimFragments { sum }) => {
                let mut claim = frame;
                set(&mut claim, "sum", |_| sum.to_string());
                self.push(vec![claim]).await?;
            }
            Some(Fault::NumbersForText) => {
                let mut drifted = frame;
                drifted.payload = drifted.payload.map(|json| drift::numbers_for_text(&json));
                self.push(vec![drifted]).await?;
            }
            Some(Fault::CutBeforeEvent(cut)) => return Err(End::Cut(cut)),
            Some(_) => {}
        }
        let held = self.held.take();
        self.push(held.into_iter().collect()).await
    }

    async fn push(&mut self, frames: Vec<Frame>) -> Result<(), End> {
        for frame in frames {
            self.remember(&frame);
            count(&self.shared.counts.events);
            self.send(To::Client, Message::Binary(frame.write())).await?;
        }
        Ok(())
    }

    /// Keeps an event until its ack; of one in fragments, the whole if it was given first.
    fn remember(&mut self, frame: &Frame) {
        let Some(id) = frame.header("message_id") else { return };
        if self.unacked.contains_key(id) {
            return;
        }
        if self.order.len() >= UNACKED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.unacked.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.unacked.insert(id.to_owned(), frame.clone());
    }

    async fn ack(&mut self, frame: Frame, message: Message) -> Result<(), End> {
        let id = frame.header("message_id").unwrap_or_default();
        if id.ends_with(AGAIN) {
            // The platform knows nothing of it.
            return Ok(());
        }
        let event = self.unacked.remove(id);
        self.order.retain(|one| one != id);
        let payload = frame.payload.as_deref().unwrap_or_default();
        let success = Ack::parse(payload).is_ok_and(|ack| ack.is_success());
        let fault = self.shared.take(Stage::Ack { success });
        match fault {
            Some(Fault::DropAck) => return Ok(()),
            Some(Fault::DelayAck(by)) => {
                count(&self.shared.counts.acks);
                let at = Instant::now() + by;
                self.delayed.push_back((at, To::Platform, frame.write()));
                return Ok(());
            }
            Some(Fault::CutBeforeAck(cut)) => return Err(End::Cut(cut)),
            _ => {}
        }
        count(&self.shared.counts.acks);
        self.send(To::Platform, message).await?;
        match (fault, event) {
            (Some(Fault::Duplicate), Some(mut event)) => {
                set(&mut event, "message_id", |id| format!("{id}{AGAIN}"));
                self.push(vec![event]).await
            }
            _ => Ok(()),
        }
    }
}

/// The frame in a message, if it is an event or its ack.
fn event_in(message: &Message) -> Option<Frame> {
    let Message::Binary(bytes) = message else {
        return None;
    };
    Frame::read(bytes.clone())
        .ok()
        .filter(|frame| frame.kind() == Kind::Event)
}
