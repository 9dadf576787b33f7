//! What the platform keeps: the rows and the ports through which it reads and writes them.
//!
//! The rules never name a database. They see [`Registry`] (apps, bindings, tokens), [`DeliveryQueue`]
//! (events accepted, deliveries leased and settled), [`Log`] (what happened) and [`Upkeep`] (how it does), in batch verbs, so that a backend
//! can put whatever waits into one commit. `conformance` holds every backend to the same claims.

mod app;
mod delivery;
mod error;
mod histogram;
mod port;
mod query;
mod upkeep;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use app::{
    ApiToken, App, AppConfig, AppDelivery, AppKind, AppVersion, Binding, BindingKey, Mode, ResourceSubscription,
    Subscriptions, TokenRole,
};
pub use delivery::{
    Accepted, Attempt, Backlog, Claim, Claimed, Delivery, DeliveryId, DeliveryState, Depth, EventRow, NewDelivery,
    NewEvent, Settlement, Start, Verdict, WAITING, Want,
};
pub use error::StoreError;
pub use histogram::{Histogram, HistogramReading, LONG, SHORT};
pub use port::{CLAIM_BYTES_MAX, DeliveryQueue, LIMIT_MAX, Log, Registry, Store};
pub use query::{
    AttemptFeed, AttemptQuery, DeliveryQuery, EventGlob, EventGlobError, EventQuery, LoggedAttempt, Order, Page,
    TimeRange, Trim, Trimmed,
};
pub use upkeep::{Upkeep, Writing};
