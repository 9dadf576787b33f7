//! The handlers' side of a connection: starts a handler for each event that arrives and sends back what became of it.
//! It runs on the runtime that the client was awaited on.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::lazy;
use larkspur_wire::ack::Ack;
use larkspur_wire::envelope::{Envelope, Incoming};
use larkspur_wire::frame::Receipt;
use larkspur_wire::{AppId, TimestampMs};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::{Closing, Ending};
use super::error::ConnectError;
use super::link::{Arrived, Done, Mail, Order};
use super::report::{Report, named};
use super::slots::Slots;
use crate::clock;
use crate::delivery::Transport;
use crate::dispatch::{Dispatcher, Failure, Outcome};
use crate::reply::Answer;

/// Outcomes are sent back in batches up to this size.
const BATCH_MAX: usize = 256;

/// An event that is being handled.
struct Running {
    receipt: Receipt,
    payload: Arc<str>,
    started: Instant,
}

/// An event's id and what became of it, or why it cannot be read.
type Told = Result<(String, Outcome), String>;

/// See the module.
pub(super) struct Handling {
    app_id: AppId,
    dispatcher: Dispatcher,
    mail: UnboundedReceiver<Mail>,
    orders: UnboundedSender<Order>,
    running: Slots<Running>,
    /// Bounded by what runs, which the other side bounds.
    tell: UnboundedSender<(usize, Told)>,
    told: UnboundedReceiver<(usize, Told)>,
    done: Vec<Done>,
    report: Report,
    /// The payloads of nearly all acks.
    ok: Vec<u8>,
    failed: Vec<u8>,
}

impl Handling {
    pub(super) fn new(
        app_id: AppId,
        dispatcher: Dispatcher,
        mail: UnboundedReceiver<Mail>,
        orders: UnboundedSender<Order>,
    ) -> Self {
        let (tell, told) = unbounded_channel();
        Self {
            app_id,
            dispatcher,
            mail,
            orders,
            running: Slots::default(),
            tell,
            told,
            done: Vec::new(),
            report: Report::default(),
            ok: Ack::ok().write(),
            failed: Ack::failed().write(),
        }
    }

    /// Handles events until the client ends. When `shutdown` completes, handlers that run have `drain_limit` to end.
    pub(super) async fn run(
        mut self,
        mut shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
        drain_limit: Duration,
        ending: Ending,
    ) -> Result<Report, ConnectError> {
        let mut told = Vec::new();
        let mut asked = false;
        loop {
            tokio::select! {
                biased;
                _ = self.told.recv_many(&mut told, BATCH_MAX) => self.settle(&mut told),
                mail = self.mail.recv() => match mail {
                    Some(Mail::Events { connection, events }) => self.start(&connection, events),
                    Some(Mail::Stopped) => break,
                    // The thread has ended, and says why.
                    None => return self.finish(ending).await,
                },
                () = &mut shutdown, if !asked => {
                    asked = true;
                    let _ = self.orders.send(Order::Stop);
                }
            }
            self.send_back();
        }
        let drain = async {
            while !self.running.is_empty() {
                self.told.recv_many(&mut told, BATCH_MAX).await;
                self.settle(&mut told);
                self.send_back();
            }
            // An inbox may still be handling what was acknowledged before.
            self.dispatcher.drain().await;
        };
        let _ = tokio::time::timeout(drain_limit, drain).await;
        self.finish(ending).await
    }

    fn start(&mut self, connection: &Arc<str>, events: Vec<Arrived>) {
        let (started, now) = (Instant::now(), clock::now());
        self.report.received += events.len() as u64;
        for Arrived { receipt, payload } in events {
            let slot = self.running.insert(Running {
                receipt,
                payload: Arc::clone(&payload),
                started,
            });
            let tell = self.tell.clone();
            let handling = handle(self.dispatcher.clone(), Arc::clone(connection), payload, now).map(move |told| {
                // Nobody asks for it any more when the client has ended.
                let _ = tell.send((slot, told));
            });
            tokio::spawn(handling);
        }
    }

    fn settle(&mut self, told: &mut Vec<(usize, Told)>) {
        let now = Instant::now();
        for (slot, told) in told.drain(..) {
            let Some(running) = self.running.remove(slot) else {
                continue;
            };
            let (event_id, outcome) = told.unwrap_or_else(|why| {
                tracing::error!(app.id = %self.app_id, "a message cannot be read: {why}");
                (String::new(), Outcome::Failed(Failure::Unreadable))
            });
            let report = &mut self.report;
            let mut answered = None;
            let (count, payload) = match outcome {
                Outcome::Handled(Answer(answer)) => {
                    answered = answer.map(|answer| Ack::answer(answer).write());
                    (&mut report.handled, &self.ok)
                }
                Outcome::Stored => (&mut report.stored, &self.ok),
                Outcome::Repeated => (&mut report.repeated, &self.ok),
                Outcome::Stale => (&mut report.stale, &self.ok),
                Outcome::NoHandler => (&mut report.unhandled, &self.ok),
                Outcome::Failed(_) => (&mut report.failed, &self.failed),
            };
            *count += 1;
            let payload = answered.as_ref().unwrap_or(payload);
            let took = now.saturating_duration_since(running.started).as_millis();
            self.done.push(Done {
                event_id,
                ack: running.receipt.into_ack(payload, took),
                bytes: running.payload.len(),
            });
        }
    }

    fn send_back(&mut self) {
        if !self.done.is_empty() {
            // When the thread has ended, its last word says so.
            let _ = self.orders.send(Order::Acks(std::mem::take(&mut self.done)));
        }
    }

    async fn finish(self, ending: Ending) -> Result<Report, ConnectError> {
        // The thread sends the last acks, closes the connection and ends.
        drop(self.orders);
        let Closing {
            connections,
            refused,
            unacknowledged,
        } = ending.await.map_err(|_| ConnectError::Broken)??;
        let left = self
            .running
            .into_iter()
            .filter_map(|running| read(running.payload).ok());
        let left = named(left.map(|envelope| envelope.header.event_id));
        for (ids, what) in [
            (&left, "gave up waiting for handlers"),
            (&unacknowledged, "no connection to acknowledge on"),
        ] {
            if !ids.is_empty() {
                let ids = ids.join(", ");
                tracing::warn!(app.id = %self.app_id, "{what}; their events are pushed again: {ids}");
            }
        }
        Ok(Report {
            refused,
            connections,
            left,
            unacknowledged,
            ..self.report
        })
    }
}

/// Handles an event. It is read in its task, so that what it takes in memory is near when it is needed, and given back
/// at once. Not an async block, which would keep room for all that it needs to begin.
fn handle(
    dispatcher: Dispatcher,
    connection: Arc<str>,
    payload: Arc<str>,
    now: TimestampMs,
) -> impl Future<Output = Told> + Send {
    let begin = move |_: &mut Context<'_>| match read(payload) {
        Ok(envelope) => {
            let transport = Transport::PersistentConnection { connection };
            let handling = dispatcher.handle(envelope, transport, now);
            handling
                .map(|(delivery, outcome)| Ok((delivery.meta().event_id.clone(), outcome)))
                .left_future()
        }
        Err(why) => ready(Err(why)).right_future(),
    };
    lazy(begin).flatten()
}

fn read(payload: Arc<str>) -> Result<Envelope, String> {
    match Incoming::read(payload) {
        Ok(Incoming::Event(envelope)) => Ok(envelope),
        Ok(_) => Err("it is no event".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(all(test, not(any(feature = "metrics", feature = "sqlite"))))]
mod tests {
    use super::*;
    use crate::router::Router;

    #[tokio::test]
    async fn a_task_is_small_enough_for_the_quick_part_of_the_systems_allocator() {
        let dispatcher = Dispatcher::new(Router::new()).unwrap();
        let handling = handle(dispatcher, "1".into(), "{}".into(), clock::now());
        // A task has about a hundred bytes of its own, is aligned to 128, and alignment takes another 160.
        let bytes = size_of_val(&handling);
        assert!(bytes <= 640, "{bytes}");
    }
}
