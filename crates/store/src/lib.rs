//! What the platform keeps: the rows and the ports through which it reads and writes them.
//!
//! The rules never name a database. They see [`Registry`] (apps, bindings, tokens), [`DeliveryQueue`]
//! (events accepted, deliveries leased and settled) and [`Log`] (what happened), in batch verbs, so that a backend
//! can put whatever waits into one commit. `conformance` holds every backend to the same claims.

mod app;
mod delivery;
mod error;
mod port;
mod query;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use app::{
    ApiToken, App, AppConfig, AppKind, AppVersion, Binding, BindingKey, Mode, ResourceSubscription, Subscriptions,
    TokenRole,
};
pub use delivery::{
    Accepted, Attempt, Claim, Delivery, DeliveryId, DeliveryState, Depth, EventRow, NewDelivery, NewEvent, Settlement,
    Verdict,
};
pub use error::StoreError;
pub use port::{DeliveryQueue, LIMIT_MAX, Log, Registry, Store};
pub use query::{
    AttemptFeed, AttemptQuery, DeliveryQuery, EventGlob, EventGlobError, EventQuery, LoggedAttempt, Order, Page,
    TimeRange, Trim, Trimmed,
};
