//! The handlers of a router, complete: which one gets an event.

use std::collections::BTreeMap;

use super::policy::Stale;
use super::{Handle, Route};
use crate::delivery::{Delivery, Meta};
use crate::handler::{Handling, is_callback};
use crate::reply::Answer;

pub(crate) struct Table {
    routes: BTreeMap<String, Route<()>>,
    fallback: Option<Handle<()>>,
    stale: Stale<()>,
}

/// What is to be done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A handler is there.
    Handle,
    /// A handler is there, and the platform waits for its reply.
    Ask,
    /// It is too old.
    Drop,
    /// No handler is there.
    NoHandler,
}

impl Table {
    pub(super) fn new(routes: BTreeMap<String, Route<()>>, fallback: Option<Handle<()>>, stale: Stale<()>) -> Self {
        Self {
            routes,
            fallback,
            stale,
        }
    }

    pub(crate) fn plan(&self, meta: &Meta) -> Plan {
        let replies = match self.routes.get(&meta.event_type) {
            Some(route) => route.replies,
            None if self.fallback.is_some() => is_callback(&meta.event_type),
            None => return Plan::NoHandler,
        };
        match &self.stale {
            _ if replies => Plan::Ask,
            Stale::Drop { age } if meta.age().is_some_and(|old| old >= *age) => Plan::Drop,
            Stale::Pass | Stale::Drop { .. } | Stale::Route { .. } => Plan::Handle,
        }
    }

    /// Starts the handler of an event.
    pub(crate) fn handle(&self, delivery: Delivery) -> Handling {
        match self.find(delivery.meta()) {
            Some(handle) => handle(delivery, ()),
            // Nobody asks for what there is no plan for.
            None => Box::pin(async { Ok(Answer::default()) }),
        }
    }

    fn find(&self, meta: &Meta) -> Option<&Handle<()>> {
        let route = self.routes.get(&meta.event_type);
        let replies = route.map_or_else(|| is_callback(&meta.event_type), |route| route.replies);
        match &self.stale {
            Stale::Route { age, handle } if !replies && meta.age().is_some_and(|old| old >= *age) => Some(handle),
            _ => route.map(|route| &route.handle).or(self.fallback.as_ref()),
        }
    }
}
