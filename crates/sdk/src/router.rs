//! The router: which handler gets which event type, and what holds for all handlers.

mod error;
mod policy;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;
use tower_service::Service;

use crate::delivery::Delivery;
use crate::handler::{Handler, Handling, RawHandler};
use crate::reply::{Answer, BoxError};
use crate::service::{Handlers, Wrap, wrap};

pub use error::RouterError;
pub(crate) use policy::Policy;

type Route<S> = Arc<dyn Fn(Delivery, S) -> Handling + Send + Sync>;

/// Event types and their handlers, and what holds for all of them. `S` is the state that handlers ask for with
/// [`State`](crate::State), until [`Router::with_state`] brings it.
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
    layers: Vec<Wrap>,
    policy: Policy,
    twice: BTreeSet<String>,
    merged_policy: bool,
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
            fallback: None,
            layers: Vec::new(),
            policy: Policy::default(),
            twice: BTreeSet::new(),
            merged_policy: false,
        }
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            routes: self.routes.clone(),
            fallback: self.fallback.clone(),
            layers: self.layers.clone(),
            policy: self.policy.clone(),
            twice: self.twice.clone(),
            merged_policy: self.merged_policy,
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.routes.keys().collect();
        f.debug_struct("Router")
            .field("types", &types)
            .field("fallback", &self.fallback.is_some())
            .field("layers", &self.layers.len())
            .field("policy", &self.policy)
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
        self.route(event_type, raw(handler))
    }

    /// Sets the handler for every event type that has no other. Without one, such events are acknowledged and logged,
    /// or with [`Router::strict`] refused.
    pub fn fallback<M, H: RawHandler<M, S>>(mut self, handler: H) -> Self {
        if self.fallback.is_some() {
            self.twice.insert("the fallback".to_owned());
        }
        self.fallback = Some(Arc::new(raw(handler)));
        self
    }

    /// Takes over the handlers of another router. Layers and what holds for all handlers are set on this one; a router
    /// that has its own of these cannot be merged, which [`Router::check`] says.
    ///
    /// ```
    /// use larkspur::{Delivery, Router};
    ///
    /// let doors = Router::new().on_raw("acs.door.opened_v1", async |_: Delivery| {});
    /// let lifts = Router::new().on_raw("acs.lift.called_v1", async |_: Delivery| {});
    /// let router: Router = Router::new().merge(doors).merge(lifts);
    /// assert!(router.check().is_ok());
    /// ```
    pub fn merge(mut self, other: Self) -> Self {
        self.merged_policy |= other.merged_policy || !other.layers.is_empty() || other.policy != Policy::default();
        self.twice.extend(other.twice);
        for (event_type, route) in other.routes {
            self = self.add(event_type, route);
        }
        match (&self.fallback, other.fallback) {
            (Some(_), Some(_)) => {
                self.twice.insert("the fallback".to_owned());
            }
            (None, Some(fallback)) => self.fallback = Some(fallback),
            (_, None) => {}
        }
        self
    }

    /// Puts a tower layer around all handlers; one that is added later is further outside.
    ///
    /// The service it makes takes a [`Delivery`] and answers an [`Answer`]. Layers run in the handler's task and time,
    /// for events that there is a handler for and that are no repeats.
    ///
    /// ```
    /// use std::task::{Context, Poll};
    /// use larkspur::{Answer, Delivery, Router};
    /// use tower_service::Service;
    ///
    /// #[derive(Clone)]
    /// struct Counted<S>(S);
    ///
    /// impl<S: Service<Delivery, Response = Answer>> Service<Delivery> for Counted<S> {
    ///     type Response = Answer;
    ///     type Error = S::Error;
    ///     type Future = S::Future;
    ///
    ///     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
    ///         self.0.poll_ready(cx)
    ///     }
    ///
    ///     fn call(&mut self, delivery: Delivery) -> S::Future {
    ///         println!("one more `{}`", delivery.meta().event_type);
    ///         self.0.call(delivery)
    ///     }
    /// }
    ///
    /// let router: Router = Router::new()
    ///     .on_raw("acs.door.opened_v1", async |_: Delivery| {})
    ///     .layer(tower_layer::layer_fn(Counted));
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Handlers> + Send + Sync + 'static,
        L::Service: Service<Delivery, Response = Answer> + Clone + Send + Sync + 'static,
        <L::Service as Service<Delivery>>::Error: Into<BoxError>,
        <L::Service as Service<Delivery>>::Future: Send + 'static,
    {
        self.layers.push(wrap(layer));
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
            layers: self.layers,
            policy: self.policy,
            twice: self.twice,
            merged_policy: self.merged_policy,
        }
    }

    /// Whether the router can be right: no event type has two handlers, and what holds for all of them was said in one
    /// place. Connecting and making a webhook check it too.
    pub fn check(&self) -> Result<(), RouterError> {
        if !self.twice.is_empty() {
            return Err(RouterError::Twice {
                types: self.twice.clone(),
            });
        }
        if self.merged_policy {
            return Err(RouterError::MergedPolicy);
        }
        self.policy.check()
    }

    fn route(self, event_type: &str, route: impl Fn(Delivery, S) -> Handling + Send + Sync + 'static) -> Self {
        self.add(event_type.to_owned(), Arc::new(route))
    }

    fn add(mut self, event_type: String, route: Route<S>) -> Self {
        match self.routes.entry(event_type) {
            Entry::Vacant(place) => {
                place.insert(route);
            }
            Entry::Occupied(place) => {
                self.twice.insert(place.key().clone());
            }
        }
        self
    }
}

fn raw<M, S, H: RawHandler<M, S>>(handler: H) -> impl Fn(Delivery, S) -> Handling + Send + Sync + 'static {
    move |delivery, state| Box::pin(handler.clone().call(delivery, state))
}

impl Router {
    /// The handlers, the layers around them, and what holds for all.
    pub(crate) fn into_parts(self) -> Result<(Arc<Table>, Handlers, Policy), RouterError> {
        self.check()?;
        let table = Arc::new(Table {
            routes: self.routes,
            fallback: self.fallback,
        });
        let handlers = Handlers::new(Arc::clone(&table), &self.layers);
        Ok((table, handlers, self.policy))
    }
}

/// The handlers, complete.
pub(crate) struct Table {
    routes: BTreeMap<String, Route<()>>,
    fallback: Option<Route<()>>,
}

impl Table {
    /// Whether a handler is there for this type.
    pub(crate) fn has(&self, event_type: &str) -> bool {
        self.fallback.is_some() || self.routes.contains_key(event_type)
    }

    /// Starts the handler of an event.
    pub(crate) fn handle(&self, delivery: Delivery) -> Handling {
        let own = self.routes.get(&delivery.meta().event_type);
        match own.or(self.fallback.as_ref()) {
            Some(route) => route(delivery, ()),
            None => Box::pin(async { Ok(Answer::default()) }),
        }
    }
}
