//! The rules of the platform, sync and pure: who gets an event, what they may see, when it goes again.
//!
//! Nothing here opens a socket, starts a task or reads a clock: the engine does that and asks these functions.

mod app;
mod call;
mod credentials;
mod gate;
mod plan;
mod projection;
mod publication;
mod render;
mod retry;
mod scheduler;
mod settings;
#[cfg(test)]
mod tests;
pub mod token;

pub use app::{
    AppChange, AppError, DeliveryChange, NewApp, Rules, SecretChange, Selection, SubscriptionChange,
    change as change_app, create as create_app, publish as publish_app,
};
pub use call::{Call, CallRefusal};
pub use credentials::Entropy;
pub use gate::{Audience, Gate, Refusal, ResourceSubscribed, Subject, check};
pub use plan::{Plan, Planned};
pub use projection::project;
pub use publication::{Payload, Publication, PublishError, binds, bound_by, order_key, resolve};
pub use render::{RenderError, push_seed, render};
pub use retry::next_try;
pub use scheduler::{Ending, LEASE, LaneLimits, Now, Place, Scheduler, Wake};
pub use settings::{
    AckNotOk, AckWithoutBizRt, AgainSettings, AppSettings, Assumptions, DeliverySettings, ErrorStatus, MetricsSettings,
    PublishSettings, RetentionSettings, RetryBody, RetryConnection, RetryFrom, RetryMessageId, SessionSettings,
    Settings, SettingsError, ShutdownSettings, TimestampUnit, UnverifiedTypes, WithheldField,
};
