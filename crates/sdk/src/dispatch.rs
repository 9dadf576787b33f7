//! Running a handler: panics are caught, slow ones are named, and every outcome is logged once.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use larkspur_wire::TimestampMs;
use larkspur_wire::envelope::Envelope;

use crate::delivery::{Delivery, Transport};
use crate::reply::{Answer, BoxError};
use crate::router::Router;

/// The platform waits this long for our answer, and pushes the event again after it.
const ACK_DEADLINE: Duration = Duration::from_secs(3);
/// A handler that takes longer is worth a warning before it fails.
const SLOW: Duration = Duration::from_secs(2);

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handler took it.
    Handled(Answer),
    /// A handler failed; the platform will push it again.
    Failed,
    /// No handler is there; it is acknowledged, since pushing it again would not help.
    NoHandler,
}

/// Runs the handler of an event. Returns when it is done, however long that takes.
pub(crate) async fn dispatch(router: &Router, envelope: Envelope, transport: Transport, now: TimestampMs) -> Outcome {
    let delivery = Delivery::new(envelope, transport, now);
    let meta = delivery.meta().clone();
    let started = Instant::now();
    // Making the arguments is the handler's work too, so a panic there is caught as well.
    let handled = AssertUnwindSafe(async { Some(router.handle(delivery)?.await) })
        .catch_unwind()
        .await;
    let took = started.elapsed();
    if took > SLOW {
        let deadline = ACK_DEADLINE.as_secs();
        tracing::warn!(
            event.id = %meta.event_id,
            "handler of `{}` took {:.1}s of {deadline}s", meta.event_type, took.as_secs_f32()
        );
    }
    match handled {
        Ok(Some(Ok(answer))) => Outcome::Handled(answer),
        Ok(Some(Err(error))) => {
            tracing::error!(event.id = %meta.event_id, error = %chain(&error), "handler of `{}` failed", meta.event_type);
            Outcome::Failed
        }
        Ok(None) => {
            tracing::warn!(event.id = %meta.event_id, "no handler for `{}` (acked)", meta.event_type);
            Outcome::NoHandler
        }
        Err(_panic) => {
            tracing::error!(event.id = %meta.event_id, "handler of `{}` panicked", meta.event_type);
            Outcome::Failed
        }
    }
}

/// An error and its sources, on one line.
fn chain(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
