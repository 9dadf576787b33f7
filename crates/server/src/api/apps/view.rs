//! An app as the API shows it.

use larkspur_store::{App, AppConfig, AppDelivery, AppVersion, Subscriptions};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::word::{Kind, PushMode};

/// An app: its draft is what you edit, its published version is what counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub(crate) struct AppView {
    /// `cli_` and 16 hexadecimal digits.
    app_id: String,
    /// A name for people.
    name: String,
    /// Custom or store.
    kind: Kind,
    /// Tenants that have it installed.
    tenants: Vec<String>,
    /// Proves that a client speaks for the app; shown on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_secret: Option<String>,
    /// Travels in every pushed header; shown on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_token: Option<String>,
    /// Seals and signs webhooks; shown on request, empty when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypt_key: Option<String>,
    /// Whether webhooks are encrypted.
    encrypted: bool,
    /// Where events are posted.
    event_url: Option<String>,
    /// Where callbacks are posted.
    callback_url: Option<String>,
    /// How its events are pushed; what is `null` is as the platform's settings say.
    delivery: DeliveryView,
    /// Whether its URLs may lead into private address ranges.
    allow_private_addresses: bool,
    /// What is edited.
    draft: Config,
    /// What is in force; `null` until a version is published.
    published: Option<Version>,
    /// Whether the draft says anything that is not in force yet.
    unpublished_changes: bool,
    /// Live persistent connections.
    online: usize,
    /// When it was made.
    created_at: i64,
}

/// How one app's events are pushed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppDelivery)]
pub(crate) struct DeliveryView {
    /// Whether nothing is pushed for now.
    paused: bool,
    /// At most this many events are on their way to it at once.
    in_flight_max: Option<u32>,
    /// At most this many pushes begin in a second.
    per_second_max: Option<u32>,
    /// Seconds to wait before each retry.
    retry_seconds: Option<Vec<u64>>,
}

/// The part of an app that takes effect with a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Config {
    /// Event subscriptions.
    events: SubscriptionsView,
    /// Callback subscriptions.
    callbacks: SubscriptionsView,
    /// Scopes the app holds.
    scopes: Vec<String>,
}

/// A published version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Version {
    /// Counts from 1.
    #[serde(rename = "version")]
    number: u32,
    /// When it was published.
    published_at: i64,
    /// Event subscriptions.
    events: SubscriptionsView,
    /// Callback subscriptions.
    callbacks: SubscriptionsView,
    /// Scopes the app holds.
    scopes: Vec<String>,
}

/// Subscribed types and how they are pushed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscriptions)]
pub(crate) struct SubscriptionsView {
    /// How they are pushed.
    mode: PushMode,
    /// The types.
    types: Vec<String>,
}

impl AppView {
    /// The app with its secrets hidden.
    pub(super) fn hidden(app: &App, online: usize) -> Self {
        Self {
            app_id: app.id.to_string(),
            name: app.name.clone(),
            kind: app.kind.into(),
            tenants: texts(&app.tenants),
            app_secret: None,
            verification_token: None,
            encrypt_key: None,
            encrypted: !app.encrypt_key.is_empty(),
            event_url: app.event_url.clone(),
            callback_url: app.callback_url.clone(),
            delivery: DeliveryView::from(&app.delivery),
            allow_private_addresses: app.allow_private_addresses,
            draft: Config::from(&app.draft),
            published: app.published.as_ref().map(Version::from),
            unpublished_changes: app.published.as_ref().is_none_or(|version| version.config != app.draft),
            online,
            created_at: app.created_at.0,
        }
    }

    /// The app with its secrets.
    pub(super) fn revealed(app: &App, online: usize) -> Self {
        Self {
            app_secret: Some(app.app_secret.expose().to_owned()),
            verification_token: Some(app.verification_token.expose().to_owned()),
            encrypt_key: Some(app.encrypt_key.expose().to_owned()),
            ..Self::hidden(app, online)
        }
    }
}

impl From<&AppDelivery> for DeliveryView {
    fn from(delivery: &AppDelivery) -> Self {
        Self {
            paused: delivery.paused,
            in_flight_max: delivery.in_flight_max.map(Into::into),
            per_second_max: delivery.per_second_max.map(Into::into),
            retry_seconds: delivery.retry_seconds.clone(),
        }
    }
}

impl From<&AppConfig> for Config {
    fn from(config: &AppConfig) -> Self {
        Self {
            events: SubscriptionsView::from(&config.events),
            callbacks: SubscriptionsView::from(&config.callbacks),
            scopes: texts(&config.scopes),
        }
    }
}

impl From<&AppVersion> for Version {
    fn from(version: &AppVersion) -> Self {
        let Config {
            events,
            callbacks,
            scopes,
        } = Config::from(&version.config);
        Self {
            number: version.number,
            published_at: version.published_at.0,
            events,
            callbacks,
            scopes,
        }
    }
}

impl From<&Subscriptions> for SubscriptionsView {
    fn from(subscriptions: &Subscriptions) -> Self {
        Self {
            mode: subscriptions.mode.into(),
            types: texts(&subscriptions.types),
        }
    }
}

fn texts<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    items.into_iter().map(ToString::to_string).collect()
}
