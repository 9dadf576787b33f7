//! An event that is handled in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Envelope;
use tokio::task::JoinHandle;

use super::{Dispatcher, Failure, Outcome};
use crate::delivery::{Delivery, Transport};

/// An event that is being handled; completes with its outcome.
#[derive(Debug)]
pub(crate) struct Started(JoinHandle<(Delivery, Outcome)>);

impl Future for Started {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        // Panics of handlers are caught before.
        Poll::Ready(joined.map_or(Outcome::Failed(Failure::Aborted), |(_, outcome)| outcome))
    }
}

impl Dispatcher {
    /// Starts handling an event in a task of its own. Dropping what this returns does not stop the handler.
    pub(crate) fn start(&self, envelope: Envelope, transport: Transport, now: TimestampMs) -> Started {
        Started(tokio::spawn(self.handle(envelope, transport, now)))
    }
}
