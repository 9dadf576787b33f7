//! The router: which handler gets which event type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::delivery::Delivery;
use crate::handler::{Handler, Handling, RawHandler};

type Route<S> = Arc<dyn Fn(Delivery, S) -> Handling + Send + Sync>;

/// Event types and their handlers. `S` is the state that handlers ask for with [`State`](crate::State), until
/// [`Router::with_state`] brings it.
///
/// ```
/// use larkspur::{Meta, RawEvent, Router};
///
/// async fn log(event: RawEvent, meta: Meta) {
///     println!("{meta}\n{event}");
/// }
///
/// let router: Router = Router::new().on_raw("acs.door.opened_v1", log).fallback(log);
/// assert!(router.check().is_ok());
/// ```
#[must_use]
pub struct Router<S = ()> {
    routes: BTreeMap<String, Route<S>>,
    fallback: Option<Route<S>>,
    twice: BTreeSet<String>,
}

/// A router that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two handlers for {}: only one of them could ever run", quoted(types))]
pub struct RouterError {
    types: BTreeSet<String>,
}

fn quoted(types: &BTreeSet<String>) -> String {
    types
        .iter()
        .map(|event_type| format!("`{event_type}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
            fallback: None,
            twice: BTreeSet::new(),
        }
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            routes: self.routes.clone(),
            fallback: self.fallback.clone(),
            twice: self.twice.clone(),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.routes.keys().collect();
        f.debug_struct("Router")
            .field("types", &types)
            .field("fallback", &self.fallback.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for the event type of its first argument.
    pub fn on<M, H: Handler<M, S>>(self, handler: H) -> Self {
        self.route(H::KEY, move |delivery, state| {
            Box::pin(handler.clone().call(delivery, state))
        })
    }

    /// Adds a handler for an event type that no struct exists for.
    pub fn on_raw<M, H: RawHandler<M, S>>(self, event_type: &str, handler: H) -> Self {
        self.route(event_type, move |delivery, state| {
            Box::pin(handler.clone().call(delivery, state))
        })
    }

    /// Sets the handler for every event type that has no other. Without one, such events are acknowledged and logged.
    pub fn fallback<M, H: RawHandler<M, S>>(mut self, handler: H) -> Self {
        if self.fallback.is_some() {
            self.twice.insert("the fallback".to_owned());
        }
        self.fallback = Some(Arc::new(move |delivery, state| {
            Box::pin(handler.clone().call(delivery, state))
        }));
        self
    }

    /// Brings the state that handlers ask for.
    pub fn with_state(self, state: S) -> Router {
        let bind = |route: Route<S>| -> Route<()> {
            let state = state.clone();
            Arc::new(move |delivery, ()| route(delivery, state.clone()))
        };
        Router {
            routes: self
                .routes
                .into_iter()
                .map(|(event_type, route)| (event_type, bind(route)))
                .collect(),
            fallback: self.fallback.map(bind),
            twice: self.twice,
        }
    }

    /// Whether the router can be right: no event type has two handlers. Connecting and making a webhook check it too.
    pub fn check(&self) -> Result<(), RouterError> {
        if self.twice.is_empty() {
            Ok(())
        } else {
            Err(RouterError {
                types: self.twice.clone(),
            })
        }
    }

    fn route(mut self, event_type: &str, route: impl Fn(Delivery, S) -> Handling + Send + Sync + 'static) -> Self {
        if self.routes.insert(event_type.to_owned(), Arc::new(route)).is_some() {
            self.twice.insert(event_type.to_owned());
        }
        self
    }
}

impl Router {
    /// What to do with an event; `None` when no handler is there.
    pub(crate) fn handle(&self, delivery: Delivery) -> Option<Handling> {
        let route = self
            .routes
            .get(&delivery.meta().event_type)
            .or(self.fallback.as_ref())?;
        Some(route(delivery, ()))
    }
}
