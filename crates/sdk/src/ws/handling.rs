//! The handlers' side of a connection: starts a handler for each event that arrives and sends back what became of it.
//! It runs on the runtime that the client was awaited on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use larkspur_wire::AppId;
use larkspur_wire::ack::Ack;
use larkspur_wire::envelope::Incoming;
use larkspur_wire::frame::Receipt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::{Closing, Ending};
use super::error::ConnectError;
use super::link::{Arrived, Done, Mail, Order};
use super::report::{Report, named};
use super::slots::Slots;
use crate::clock;
use crate::delivery::Transport;
use crate::dispatch::{Dispatcher, Outcome};
use crate::reply::Answer;

/// Outcomes are sent back in batches up to this size.
const BATCH_MAX: usize = 256;

/// An event that is being handled.
struct Running {
    event_id: String,
    receipt: Receipt,
    bytes: usize,
    started: Instant,
}

/// See the module.
pub(super) struct Handling {
    app_id: AppId,
    dispatcher: Dispatcher,
    mail: UnboundedReceiver<Mail>,
    orders: UnboundedSender<Order>,
    running: Slots<Running>,
    /// Bounded by what runs, which the other side bounds.
    outcome: UnboundedSender<(usize, Outcome)>,
    outcomes: UnboundedReceiver<(usize, Outcome)>,
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
        let (outcome, outcomes) = unbounded_channel();
        Self {
            app_id,
            dispatcher,
            mail,
            orders,
            running: Slots::default(),
            outcome,
            outcomes,
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
        let mut outcomes = Vec::new();
        let mut asked = false;
        loop {
            tokio::select! {
                biased;
                _ = self.outcomes.recv_many(&mut outcomes, BATCH_MAX) => self.settle(&mut outcomes),
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
                self.outcomes.recv_many(&mut outcomes, BATCH_MAX).await;
                self.settle(&mut outcomes);
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
            let bytes = payload.len();
            let envelope = match Incoming::read(payload) {
                Ok(Incoming::Event(envelope)) => envelope,
                Ok(_) => {
                    self.refuse(receipt, bytes, "it is no event");
                    continue;
                }
                Err(error) => {
                    self.refuse(receipt, bytes, &error.to_string());
                    continue;
                }
            };
            let slot = self.running.insert(Running {
                event_id: envelope.header.event_id.clone(),
                receipt,
                bytes,
                started,
            });
            let transport = Transport::PersistentConnection {
                connection: Arc::clone(connection),
            };
            let outcome = self.outcome.clone();
            // Not an async block, which would keep room for what it awaits twice.
            let handling = self.dispatcher.handle(envelope, transport, now).map(move |done| {
                // Nobody asks for it any more when the client has ended.
                let _ = outcome.send((slot, done));
            });
            tokio::spawn(handling);
        }
    }

    fn refuse(&mut self, receipt: Receipt, bytes: usize, why: &str) {
        tracing::error!(app.id = %self.app_id, "a message cannot be read: {why}");
        self.report.failed += 1;
        self.done.push(Done {
            event_id: String::new(),
            ack: receipt.into_ack(&self.failed, 0),
            bytes,
        });
    }

    fn settle(&mut self, outcomes: &mut Vec<(usize, Outcome)>) {
        let now = Instant::now();
        for (slot, outcome) in outcomes.drain(..) {
            let Some(running) = self.running.remove(slot) else {
                continue;
            };
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
                event_id: running.event_id,
                ack: running.receipt.into_ack(payload, took),
                bytes: running.bytes,
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
        let left = named(self.running.into_iter().map(|running| running.event_id));
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

#[cfg(all(test, not(any(feature = "metrics", feature = "sqlite"))))]
mod tests {
    use super::*;
    use crate::router::Router;

    #[tokio::test]
    async fn a_task_is_small_enough_for_the_quick_part_of_the_systems_allocator() {
        let dispatcher = Dispatcher::new(Router::new()).unwrap();
        let body = r#"{"schema":"2.0","header":{"event_type":"a.b_v1"},"event":{}}"#;
        let Ok(Incoming::Event(envelope)) = Incoming::read(body.to_owned()) else {
            panic!("it is an event")
        };
        let handling = dispatcher.handle(envelope, Transport::Webhook, clock::now());
        // A task has about a hundred bytes of its own, is aligned to 128, and alignment takes another 160.
        let bytes = size_of_val(&handling);
        assert!(bytes <= 640, "{bytes}");
    }
}
