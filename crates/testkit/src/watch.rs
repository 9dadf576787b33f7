//! Who called which handler how often: a layer around the handlers, inside of whatever keeps repeats from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use larkspur::{Answer, Delivery, Handlers};
use tower_layer::Layer;
use tower_service::Service;

/// Counts how often handlers are called, by app and event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    calls: Arc<Mutex<HashMap<(String, String), usize>>>,
}

impl Watch {
    /// How often handlers were called for an event, all apps together.
    pub(crate) fn calls(&self, event_id: &str) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let of_event = calls.iter().filter(|((_, event), _)| event == event_id);
        of_event.map(|(_, times)| times).sum()
    }

    /// Apps and events for which handlers were called more than once.
    pub(crate) fn repeated(&self) -> Vec<(String, String)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = calls.iter().filter(|(_, times)| **times > 1);
        repeated.map(|(key, _)| key.clone()).collect()
    }
}

impl Layer<Handlers> for Watch {
    type Service = Watched;

    fn layer(&self, inner: Handlers) -> Watched {
        Watched {
            watch: self.clone(),
            inner,
        }
    }
}

/// Handlers that are watched.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    watch: Watch,
    inner: Handlers,
}

impl Service<Delivery> for Watched {
    type Response = Answer;
    type Error = <Handlers as Service<Delivery>>::Error;
    type Future = <Handlers as Service<Delivery>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, delivery: Delivery) -> Self::Future {
        let meta = delivery.meta();
        let key = (meta.app_id.clone(), meta.event_id.clone());
        let mut calls = self.watch.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(key).or_default() += 1;
        drop(calls);
        self.inner.call(delivery)
    }
}
