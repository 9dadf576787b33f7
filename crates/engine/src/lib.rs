//! The platform running: it owns clock, sessions and webhook client, and offers publish and push.

#![cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the engine that calls hub and webhook client is being written"
    )
)]

mod activity;
mod clock;
mod hub;
mod push;
mod random;
mod webhook;

pub use activity::Activity;
pub use clock::{Clock, MovableClock};
pub use hub::{
    Admission, EndpointRefusal, HandshakeRefusal, Hub, HubCounts, SessionId, SessionInfo,
};
pub use webhook::{ChallengeError, Endpoint, EndpointError, WebhookSetupError};
