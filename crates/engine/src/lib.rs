//! The platform running: it owns store, clock, sessions and webhook client, and offers publish and push.

mod activity;
mod again;
mod call;
mod clock;
mod counters;
mod deliver;
mod engine;
mod flights;
mod hub;
mod leased;
mod metrics;
mod publish;
mod push;
mod random;
mod readiness;
mod registry;
mod resource;
mod retention;
mod retry;
mod settle;
mod skew;
mod tickets;
mod webhook;

pub use activity::Activity;
pub use again::{AgainError, JobId, JobInfo, JobKind, JobState, Past, Resent};
pub use call::{CallError, CallFailure, Called};
pub use clock::{Clock, MovableClock};
pub use counters::Counts;
pub use engine::{Engine, EngineError};
pub use hub::{Admission, EndpointRefusal, HandshakeRefusal, Hub, HubCounts, SessionId, SessionInfo};
pub use metrics::{Measures, Outcome, PushMeasures, Queue};
pub use publish::{ExplainedVerdict, Explanation, Published, PublishedDelivery};
pub use readiness::Unready;
pub use registry::{Apps, RegistryError};
pub use webhook::{ChallengeError, Endpoint, EndpointError, WebhookSetupError};
