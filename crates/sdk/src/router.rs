//! The router: which handler gets which event type, and what holds for all handlers.

mod error;
mod policy;
mod table;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;
use tower_service::Service;

use crate::delivery::Delivery;
use crate::handler::{Handler, Handling, RawHandler, is_callback};
use crate::reply::{Answer, BoxError};
use crate::service::{Handlers, Wrap, wrap};

pub use error::RouterError;
use policy::Stale;
pub(crate) use policy::{Policy, Repeats};
pub(crate) use table::{Plan, Table};

type Handle<S> = Arc<dyn Fn(Delivery, S) -> Handling + Send + Sync>;

/// What handles one event type.
struct Route<S> {
    handle: Handle<S>,
    /// Whether the platform waits for a reply.
    replies: bool,
}

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
    fallback: Option<Handle<S>>,
    stale: Stale<S>,
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
            stale: Stale::Pass,
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
            stale: self.stale.clone(),
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
        let handle = move |delivery, state| -> Handling { Box::pin(handler.clone().call(delivery, state)) };
        let replies = H::replies() || is_callback(H::KEY);
        self.add(
            H::KEY.to_owned(),
            Route {
                handle: Arc::new(handle),
                replies,
            },
        )
    }

    /// Adds a handler for an event type that no struct exists for.
    pub fn on_raw<M, H: RawHandler<M, S>>(self, event_type: &str, handler: H) -> Self {
        let (handle, replies) = (raw(handler), is_callback(event_type));
        self.add(event_type.to_owned(), Route { handle, replies })
    }

    /// Sets the handler for every event type that has no other. Without one, such events are acknowledged and logged,
    /// or with [`Router::strict`] refused.
    pub fn fallback<M, H: RawHandler<M, S>>(mut self, handler: H) -> Self {
        if self.fallback.is_some() {
            self.twice.insert("the fallback".to_owned());
        }
        self.fallback = Some(raw(handler));
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
        self.merged_policy |= other.merged_policy || other.has_policy();
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
        let bind = |handle: Handle<S>| -> Handle<()> {
            let state = state.clone();
            Arc::new(move |delivery, ()| handle(delivery, state.clone()))
        };
        let bind_route = |route: Route<S>| Route {
            handle: bind(route.handle),
            replies: route.replies,
        };
        Router {
            routes: self
                .routes
                .into_iter()
                .map(|(event_type, route)| (event_type, bind_route(route)))
                .collect(),
            fallback: self.fallback.map(bind),
            stale: self.stale.map(bind),
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

    fn has_policy(&self) -> bool {
        !self.layers.is_empty() || !matches!(self.stale, Stale::Pass) || !self.policy.is_default()
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

fn raw<M, S: 'static, H: RawHandler<M, S>>(handler: H) -> Handle<S> {
    Arc::new(move |delivery, state| Box::pin(handler.clone().call(delivery, state)))
}

impl<S> Clone for Route<S> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            replies: self.replies,
        }
    }
}

impl Router {
    /// The handlers, the layers around them, and what holds for all.
    pub(crate) fn into_parts(self) -> Result<(Arc<Table>, Handlers, Policy), RouterError> {
        self.check()?;
        let table = Arc::new(Table::new(self.routes, self.fallback, self.stale));
        let handlers = Handlers::new(Arc::clone(&table), &self.layers);
        Ok((table, handlers, self.policy))
    }
}

#[cfg(test)]
mod tests;
