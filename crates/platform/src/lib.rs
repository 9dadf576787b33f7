//! The rules of the platform, sync and pure: who gets an event, what they may see, when it goes again.
//!
//! Nothing here opens a socket, starts a task or reads a clock: the engine does that and asks these functions.

mod settings;

pub use settings::{
    AckNotOk, AckWithoutBizRt, AppSettings, Assumptions, DeliverySettings, ErrorStatus, PublishSettings, RetryBody,
    RetryConnection, RetryFrom, RetryMessageId, SessionSettings, Settings, SettingsError, TimestampUnit,
    UnverifiedTypes, WithheldField,
};
