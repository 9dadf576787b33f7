//! While the connection stands: one task owns the socket, handlers run beside it, and their acks go out on whatever
//! connection stands when they are done.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use larkspur_wire::ack::Ack;
use larkspur_wire::envelope::Incoming;
use larkspur_wire::frame::{Frame, Kind};
use larkspur_wire::{AppId, Reassembly};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::Report;
use super::backoff::Backoff;
use super::dial::{Connection, Socket};
use crate::clock;
use crate::delivery::Transport;
use crate::dispatch::{Dispatcher, Failure, Outcome};
use crate::reply::Answer;
use crate::router::{Router, RouterError};

/// Events on their way to an outcome; more wait in the socket.
const HANDLERS_MAX: usize = 1_280;
/// A platform that takes none of our bytes for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handlers have this long to end when we shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Without a pong or anything else for two pings and this long, the connection is dead.
const SILENCE_GRACE: Duration = Duration::from_secs(10);

/// Why a connection ended.
pub(super) enum Ended {
    /// We were asked to stop; the connection stands.
    ShutDown(Box<Socket>),
    /// It was lost.
    Lost(String),
}

/// What outlives a connection: handlers that run, and what was counted.
pub(super) struct Work {
    dispatcher: Dispatcher,
    app_id: AppId,
    handlers: JoinSet<(Frame, Outcome)>,
    report: Report,
}

impl Work {
    pub(super) fn new(router: Router, app_id: AppId) -> Result<Self, RouterError> {
        Ok(Self {
            dispatcher: Dispatcher::new(router)?,
            app_id,
            handlers: JoinSet::new(),
            report: Report::default(),
        })
    }

    /// Starts the handler of an event, or answers at once when there is nothing to handle.
    fn start(&mut self, frame: Frame, payload: &[u8], connection: &Arc<str>) {
        self.report.received += 1;
        let envelope = match Incoming::parse(payload) {
            Ok(Incoming::Event(envelope)) => envelope,
            Ok(_) => return self.refuse(frame, "it is no event"),
            Err(error) => return self.refuse(frame, &error.to_string()),
        };
        let transport = Transport::PersistentConnection {
            connection: Arc::clone(connection),
        };
        let started = Instant::now();
        let handling = self.dispatcher.start(envelope, transport, clock::now());
        self.handlers.spawn(async move {
            let outcome = handling.await;
            (acked(frame, &outcome, started.elapsed()), outcome)
        });
    }

    fn refuse(&mut self, frame: Frame, why: &str) {
        tracing::error!(app.id = %self.app_id, "a message cannot be read: {why}");
        self.handlers.spawn(async move {
            let outcome = Outcome::Failed(Failure::Handler);
            (acked(frame, &outcome, Duration::ZERO), outcome)
        });
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Handled(_) => self.report.handled += 1,
            Outcome::Failed(_) => self.report.failed += 1,
            Outcome::NoHandler => self.report.unhandled += 1,
            Outcome::Stored => self.report.stored += 1,
            Outcome::Repeated => self.report.repeated += 1,
            Outcome::Stale => self.report.stale += 1,
        }
    }

    /// Lets the handlers end, acknowledges what they did, and closes the connection.
    pub(super) async fn finish(mut self, mut socket: Option<Socket>) -> Report {
        let drain = async {
            while let Some(done) = self.handlers.join_next().await {
                let Ok((ack, outcome)) = done else { continue };
                self.count(&outcome);
                if let Some(socket) = &mut socket {
                    // The platform pushes again what it gets no ack for.
                    let _ = send(socket, Message::Binary(ack.write())).await;
                }
            }
        };
        if timeout(SHUTDOWN_GRACE, drain).await.is_err() {
            tracing::warn!(app.id = %self.app_id, "gave up waiting for handlers; their events are pushed again");
        }
        if let Some(mut socket) = socket {
            let _ = timeout(WRITE_TIMEOUT, socket.close(None)).await;
        }
        self.report
    }
}

fn acked(frame: Frame, outcome: &Outcome, took: Duration) -> Frame {
    let ack = match outcome {
        Outcome::Handled(Answer(Some(json))) => Ack::answer(json.clone()),
        Outcome::Handled(Answer(None)) | Outcome::Stored | Outcome::Repeated | Outcome::Stale | Outcome::NoHandler => {
            Ack::ok()
        }
        Outcome::Failed(_) => Ack::failed(),
    };
    frame.into_ack(ack.write().into(), took.as_millis())
}

/// Receives until the connection is lost or we are asked to stop.
pub(super) async fn run(
    connection: Connection,
    work: &mut Work,
    backoff: &mut Backoff,
    shutdown: &mut Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Ended {
    let Connection {
        mut socket,
        name,
        service,
        ..
    } = connection;
    let name: Arc<str> = name.into();
    work.report.connections += 1;
    let mut fragments = Reassembly::default();
    let mut every = ping_interval(backoff);
    let mut ping = ticks(every);
    let mut heard_at = Instant::now();
    loop {
        let written = tokio::select! {
            () = &mut *shutdown => return Ended::ShutDown(Box::new(socket)),
            Some(done) = work.handlers.join_next(), if !work.handlers.is_empty() => {
                let Ok((ack, outcome)) = done else { continue };
                work.count(&outcome);
                send(&mut socket, Message::Binary(ack.write())).await
            }
            _ = ping.tick() => {
                if heard_at.elapsed() > every * 2 + SILENCE_GRACE {
                    return Ended::Lost("the platform has been silent for too long".to_owned());
                }
                send(&mut socket, Message::Binary(Frame::ping(service).write())).await
            }
            next = socket.next(), if work.handlers.len() < HANDLERS_MAX => {
                heard_at = Instant::now();
                match next {
                    Some(Ok(Message::Binary(bytes))) => match Frame::read(bytes) {
                        Ok(frame) => receive(frame, work, backoff, &mut fragments, &name),
                        Err(error) => tracing::warn!(app.id = %work.app_id, "dropped a message: {error}"),
                    },
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map_or_else(String::new, |frame| format!(" with code {}", frame.code));
                        return Ended::Lost(format!("the platform closed the connection{why}"));
                    }
                    // The library answers pings by itself when it is polled again.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Ended::Lost(error.to_string()),
                    None => return Ended::Lost("the connection ended".to_owned()),
                }
                Ok(())
            }
        };
        if let Err(why) = written {
            return Ended::Lost(why);
        }
        if ping_interval(backoff) != every {
            every = ping_interval(backoff);
            ping = ticks(every);
            // The first tick comes at once, and we have just pinged.
            ping.reset();
        }
    }
}

fn receive(frame: Frame, work: &mut Work, backoff: &mut Backoff, fragments: &mut Reassembly, connection: &Arc<str>) {
    match frame.kind() {
        Kind::Pong => backoff.update(frame.payload.as_deref().unwrap_or_default()),
        Kind::Event => match fragments.push(&frame, clock::now()) {
            Ok(Some(payload)) => work.start(frame, &payload, connection),
            Ok(None) => {}
            Err(error) => tracing::warn!(app.id = %work.app_id, "dropped a fragment: {error}"),
        },
        Kind::Ping | Kind::Card | Kind::Unknown => {
            tracing::debug!(app.id = %work.app_id, "ignored a message of no use to clients");
        }
    }
}

fn ping_interval(backoff: &Backoff) -> Duration {
    Duration::from_secs(backoff.config().ping_interval.clamp(1, 3_600).unsigned_abs())
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), String> {
    match timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err("the platform reads nothing any more".to_owned()),
    }
}
