//! Pulling events one by one, for programs that have a loop of their own.

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::delivery::Delivery;
use crate::extract::State;
use crate::reply::{Answer, BoxError};
use crate::router::Router;
use crate::ws::{Connect, ConnectError, Report};

/// Events that wait to be pulled; more wait with the router.
const WAITING_MAX: usize = 64;

/// Events over a persistent connection, to be pulled one by one.
///
/// ```no_run
/// # #[cfg(feature = "hire")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use larkspur::App;
/// use larkspur::events::hire::EcoExamCreatedV1;
///
/// let mut deliveries = App::from_env()?.deliveries();
/// while let Some(pulled) = deliveries.next().await {
///     let pulled = pulled?;
///     if let Some(exam) = pulled.parse::<EcoExamCreatedV1>()? {
///         println!("{} {:?}", pulled.meta().event_id, exam.exam_id);
///     }
///     pulled.ack()?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is received until it is pulled"]
pub struct Deliveries {
    waiting: mpsc::Receiver<Pulled>,
    client: Client,
}

enum Client {
    /// It connects when the first event is pulled.
    Ready(Box<Connect>),
    Running {
        client: JoinHandle<Result<Report, ConnectError>>,
        /// Dropping it stops the client.
        stop: oneshot::Sender<()>,
    },
    Ended,
}

/// A pulled event. It is acknowledged with [`ack`](Self::ack) or [`reply`](Self::reply); dropping it makes the platform
/// push it again, and so does keeping it for longer than the router's time limit.
#[derive(Debug)]
#[must_use = "an event that is not acknowledged is pushed again"]
pub struct Pulled {
    delivery: Delivery,
    settle: oneshot::Sender<Result<Answer, BoxError>>,
}

/// An event was kept for longer than the router's time limit, and counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event was kept for longer than the router's time limit, and is pushed again")]
pub struct TooLate;

/// A pulled event was dropped.
#[derive(Debug, thiserror::Error)]
#[error("it was dropped without an acknowledgement")]
struct Dropped;

type Sender = mpsc::Sender<Pulled>;

impl App {
    /// Events over a persistent connection, to be pulled one by one. It connects when the first one is asked for.
    pub fn deliveries(&self) -> Deliveries {
        self.deliveries_with(Router::new())
    }

    /// Pulls the events that a router has no handler for; its limits and policies hold for them too.
    pub fn deliveries_with(&self, router: Router) -> Deliveries {
        let (router, waiting) = pulled(router);
        Deliveries {
            waiting,
            client: Client::Ready(Box::new(self.connect(router))),
        }
    }
}

/// A router whose fallback hands events over.
fn pulled(router: Router) -> (Router, mpsc::Receiver<Pulled>) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    let fallback: Router<Sender> = Router::new().fallback(hand_over);
    (router.merge(fallback.with_state(sender)), waiting)
}

async fn hand_over(delivery: Delivery, State(sender): State<Sender>) -> Result<Answer, BoxError> {
    let (settle, settled) = oneshot::channel();
    sender.send(Pulled { delivery, settle }).await.map_err(|_| Dropped)?;
    settled.await.map_err(|_| Dropped)?
}

impl Deliveries {
    /// The next event; `None` when the client was closed. An error means that the platform refuses the app for good, or
    /// that the router is wrong; after it there is nothing more.
    ///
    /// Dropping the future before it completes loses no event.
    pub async fn next(&mut self) -> Option<Result<Pulled, ConnectError>> {
        self.start();
        if let Some(pulled) = self.waiting.recv().await {
            return Some(Ok(pulled));
        }
        match self.end().await {
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(_)) | None => None,
        }
    }

    /// Stops receiving, waits a while for what was pulled to be settled, and answers what was done. What was not pulled
    /// is pushed again.
    pub async fn close(mut self) -> Result<Report, ConnectError> {
        self.waiting.close();
        while self.waiting.try_recv().is_ok() {}
        self.end().await.unwrap_or_else(|| Ok(Report::default()))
    }

    fn start(&mut self) {
        if !matches!(self.client, Client::Ready(_)) {
            return;
        }
        if let Client::Ready(connect) = std::mem::replace(&mut self.client, Client::Ended) {
            let (stop, stopped) = oneshot::channel::<()>();
            let connect = connect.with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            let client = tokio::spawn(connect.into_future());
            self.client = Client::Running { client, stop };
        }
    }

    /// Stops the client and answers how it ended; `None` when it did before, or never began.
    async fn end(&mut self) -> Option<Result<Report, ConnectError>> {
        match std::mem::replace(&mut self.client, Client::Ended) {
            Client::Running { client, stop } => {
                drop(stop);
                // It ends with an error only when the runtime does.
                client.await.ok()
            }
            Client::Ready(_) | Client::Ended => None,
        }
    }
}

impl Pulled {
    /// Acknowledges the event.
    pub fn ack(self) -> Result<(), TooLate> {
        self.settle(Ok(Answer::default()))
    }

    /// Answers a callback. Fails when the reply is no JSON or comes too late.
    pub fn reply(self, reply: impl Serialize) -> Result<(), BoxError> {
        let json = serde_json::to_vec(&reply)?;
        Ok(self.settle(Ok(Answer(Some(json))))?)
    }

    /// Says why the event could not be handled; the platform pushes it again.
    pub fn fail(self, error: impl Into<BoxError>) -> Result<(), TooLate> {
        self.settle(Err(error.into()))
    }

    fn settle(self, answer: Result<Answer, BoxError>) -> Result<(), TooLate> {
        self.settle.send(answer).map_err(|_| TooLate)
    }
}

impl Deref for Pulled {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = match self.client {
            Client::Ready(_) => "ready",
            Client::Running { .. } => "running",
            Client::Ended => "ended",
        };
        f.debug_struct("Deliveries")
            .field("client", &client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Transport;
    use crate::dispatch::tests::{NOW, envelope, failure};
    use crate::dispatch::{Dispatcher, Failure, Outcome, Started};

    fn start(router: Router) -> (Dispatcher, mpsc::Receiver<Pulled>) {
        let (router, waiting) = pulled(router);
        (Dispatcher::new(router).unwrap(), waiting)
    }

    fn push(dispatcher: &Dispatcher, event_type: &str) -> Started {
        dispatcher.start(envelope(event_type, "e1"), Transport::Webhook, NOW)
    }

    #[tokio::test]
    async fn what_is_acked_is_handled_and_what_is_dropped_comes_again() {
        let (dispatcher, mut waiting) = start(Router::new());
        let first = push(&dispatcher, "a.seen_v1");
        drop(waiting.recv().await.unwrap());
        assert_eq!(failure(first.await), Some(Failure::Handler));
        let second = push(&dispatcher, "a.seen_v1");
        waiting.recv().await.unwrap().ack().unwrap();
        assert!(matches!(second.await, Outcome::Handled(_)));
        assert!(matches!(push(&dispatcher, "a.seen_v1").await, Outcome::Repeated));
    }

    #[tokio::test]
    async fn a_callback_is_answered() {
        let (dispatcher, mut waiting) = start(Router::new());
        let asked = push(&dispatcher, "card.action.trigger");
        waiting.recv().await.unwrap().reply("done").unwrap();
        let Outcome::Handled(Answer(Some(json))) = asked.await else {
            panic!("it has an answer");
        };
        assert_eq!(json, br#""done""#);
    }

    #[tokio::test]
    async fn what_has_a_handler_is_not_pulled() {
        let (dispatcher, mut waiting) = start(Router::new().on_raw("a.handled_v1", async |_: Delivery| {}));
        assert!(matches!(push(&dispatcher, "a.handled_v1").await, Outcome::Handled(_)));
        assert!(waiting.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_for_too_long_comes_again() {
        let (dispatcher, mut waiting) = start(Router::new());
        let late = push(&dispatcher, "a.seen_v1");
        let kept = waiting.recv().await.unwrap();
        assert_eq!(failure(late.await), Some(Failure::TimedOut));
        assert_eq!(kept.ack(), Err(TooLate));
    }
}
