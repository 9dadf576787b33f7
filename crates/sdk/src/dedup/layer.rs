//! Dropping repeats as a tower layer, for those who want it at another place than the router's own.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::{Dedup, Repeat};
use crate::delivery::Delivery;
use crate::handler::{Handling, is_callback};
use crate::reply::{Answer, BoxError};

/// A service whose repeats [`Dedup`] drops.
#[derive(Clone, Debug)]
pub struct Deduplicated<S> {
    inner: S,
    dedup: Arc<Dedup>,
}

impl<S> Layer<S> for Dedup {
    type Service = Deduplicated<S>;

    fn layer(&self, inner: S) -> Deduplicated<S> {
        Deduplicated {
            inner,
            dedup: Arc::new(self.clone()),
        }
    }
}

impl<S> Service<Delivery> for Deduplicated<S>
where
    S: Service<Delivery, Response = Answer> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Handling;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, delivery: Delivery) -> Handling {
        let spare = self.inner.clone();
        // The one that is ready handles the event.
        let mut inner = std::mem::replace(&mut self.inner, spare);
        if is_callback(&delivery.meta().event_type) {
            let handling = inner.call(delivery);
            return Box::pin(async move { handling.await.map_err(Into::into) });
        }
        let dedup = Arc::clone(&self.dedup);
        Box::pin(async move {
            let in_flight = match dedup.begin(&delivery).await? {
                Repeat::New(in_flight) => in_flight,
                Repeat::Unknown => return inner.call(delivery).await.map_err(Into::into),
                Repeat::Done => return Ok(Answer::default()),
                Repeat::Busy => return Err("the event is being handled, by a handler that takes long".into()),
            };
            let handled = inner.call(delivery).await.map_err(Into::into);
            in_flight.end(handled.is_ok()).await?;
            handled
        })
    }
}
