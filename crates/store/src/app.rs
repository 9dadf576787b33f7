//! Rows of the registry: apps with their versions, bindings, resource subscriptions, API tokens.
//!
//! An app has two configurations: the draft that an administrator edits and the one its published version froze.
//! Only the published one decides what is pushed, as in Feishu's developer console.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use larkspur_wire::{AppId, EventType, Scope, Secret, TenantKey, TimestampMs};
use serde::{Deserialize, Serialize};

/// Who may install an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppKind {
    /// Built by one company for itself: exactly one tenant, webhook or persistent connection.
    Custom,
    /// Published in the app directory: many tenants, webhook only.
    Store,
}

/// How an app receives its events or its callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The platform posts to the app's request URL.
    #[default]
    Webhook,
    /// The app holds a WebSocket open and the platform pushes over it.
    Websocket,
}

/// What an app subscribes to, and how it is pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriptions {
    /// One mode for all of the app's events (or callbacks).
    pub mode: Mode,
    /// The subscribed types.
    pub types: BTreeSet<EventType>,
}

/// The part of an app that takes effect when a version is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppConfig {
    /// Event subscriptions.
    pub events: Subscriptions,
    /// Callback subscriptions; a mode of their own.
    pub callbacks: Subscriptions,
    /// Scopes the app holds.
    pub scopes: BTreeSet<Scope>,
}

/// A published configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppVersion {
    /// Counts from 1.
    pub number: u32,
    /// When it was published.
    pub published_at: TimestampMs,
    /// What it froze.
    pub config: AppConfig,
}

/// How one app's events are pushed. What is absent is as the platform's settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppDelivery {
    /// Whether nothing is pushed for now; what is published waits.
    pub paused: bool,
    /// At most this many events are on their way to it at once.
    pub in_flight_max: Option<NonZeroU32>,
    /// At most this many pushes begin in a second.
    pub per_second_max: Option<NonZeroU32>,
    /// Seconds to wait before each retry.
    pub retry_seconds: Option<Vec<u64>>,
}

/// One app: its credentials, where it is installed, and its two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// `cli_` and 16 hexadecimal digits.
    pub id: AppId,
    /// A name for people.
    pub name: String,
    /// Custom or store.
    pub kind: AppKind,
    /// Proves that a client speaks for the app.
    pub app_secret: Secret,
    /// Travels in every pushed header, so that the receiver can tell the platform from a stranger.
    pub verification_token: Secret,
    /// Seals and signs webhooks; empty means that bodies travel in the clear.
    pub encrypt_key: Secret,
    /// Tenants that have the app installed.
    pub tenants: BTreeSet<TenantKey>,
    /// The request URL for events; changes take effect at once.
    pub event_url: Option<String>,
    /// The request URL for callbacks; changes take effect at once.
    pub callback_url: Option<String>,
    /// How its events are pushed, where that differs from the platform's settings.
    pub delivery: AppDelivery,
    /// Whether this app's URLs may lead into private address ranges.
    pub allow_private_addresses: bool,
    /// What the administrator edits.
    pub draft: AppConfig,
    /// What is in force; `None` until the first version is published.
    pub published: Option<AppVersion>,
    /// When the app was made.
    pub created_at: TimestampMs,
}

/// What an addressed event names: an account, an order, an exam.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BindingKey {
    /// The kind as the catalogue names it, for example `account` or `background_check`.
    pub kind: String,
    /// The id within that kind.
    pub id: String,
}

/// "Events that name this thing go to this app."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What is bound.
    pub key: BindingKey,
    /// The one app that receives events about it.
    pub app_id: AppId,
}

/// An app's subscription to one resource (a calendar, an approval, a file), on top of the one to the event type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceSubscription {
    /// The subscriber.
    pub app_id: AppId,
    /// The event type.
    pub event_type: EventType,
    /// The resource's id, or `*` for all of them.
    pub resource: String,
}

/// What the bearer of an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Everything.
    Admin,
    /// Publish events and ask apps for callbacks, nothing else.
    Publish,
    /// Read the metrics, nothing else.
    Metrics,
}

/// An API token, kept as its SHA-256 only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// A name for people, unique.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it allows.
    pub role: TokenRole,
    /// When it was made.
    pub created_at: TimestampMs,
}
