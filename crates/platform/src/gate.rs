//! The gates between an event and an app, in order; the first that says no names the reason and the fix.

mod refusal;

use std::fmt;

use larkspur_catalog::{AppType, EventTypeFacts, Kind, Schema, ScopeRule};
use larkspur_store::{App, AppConfig, AppKind, AppVersion, Mode, Subscriptions};
use larkspur_wire::{AppId, EventType, TenantKey};
use serde::{Deserialize, Serialize};

pub use refusal::Refusal;
pub(crate) use refusal::quoted;

/// What an event must pass to reach an app, in the order it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The event is for this app, or for everyone.
    Audience,
    /// The event type may go to custom or to store apps.
    AppType,
    /// The event's tenant has the app installed.
    Installed,
    /// The app has a published version.
    Published,
    /// The published version subscribes to the type, and says how it is pushed.
    Subscribed,
    /// The published version holds one of the type's scopes.
    Scope,
    /// The app subscribed to the very resource.
    ResourceSubscription,
}

impl Gate {
    /// Every gate, in the order it is asked.
    pub const ALL: [Self; 7] = [
        Self::Audience,
        Self::AppType,
        Self::Installed,
        Self::Published,
        Self::Subscribed,
        Self::Scope,
        Self::ResourceSubscription,
    ];
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audience => "audience",
            Self::AppType => "app_type",
            Self::Installed => "installed",
            Self::Published => "published",
            Self::Subscribed => "subscribed",
            Self::Scope => "scope",
            Self::ResourceSubscription => "resource_subscription",
        })
    }
}

/// Who an event is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every app that passes the other gates.
    Everyone,
    /// This app and no other.
    Only(AppId),
}

/// What the gates need to know of an event.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its type.
    pub event_type: &'a EventType,
    /// What the catalogue says of the type.
    pub facts: &'a EventTypeFacts,
    /// The tenant it happened in; `None` for events of no tenant, such as `app_ticket`.
    pub tenant_key: Option<&'a TenantKey>,
    /// Who it is for.
    pub audience: &'a Audience,
    /// Whether an app holds the resource subscription that the type needs; `None` when that is not asked for.
    pub resource_subscribed: Option<&'a dyn ResourceSubscribed>,
}

/// Answers whether an app subscribed to the resource an event is about.
pub trait ResourceSubscribed: fmt::Debug {
    /// Whether this app did.
    fn contains(&self, app: &AppId) -> bool;
}

/// What is in the way, and not yet in words: most events are refused for most apps, and nobody asks why.
#[derive(Clone, Copy, Debug)]
enum Obstacle<'a> {
    /// The event is for this app alone.
    OtherAudience(&'a AppId),
    OtherAppType,
    /// For this tenant.
    NotInstalled(&'a TenantKey),
    NotPublished,
    /// In this version.
    NotSubscribed(&'a AppVersion),
    NoRequestUrl,
    WebhookOnly,
    /// None of these.
    NoScope(&'a [String]),
    NoResourceSubscription,
}

impl Obstacle<'_> {
    fn gate(self) -> Gate {
        match self {
            Self::OtherAudience(_) => Gate::Audience,
            Self::OtherAppType => Gate::AppType,
            Self::NotInstalled(_) => Gate::Installed,
            Self::NotPublished => Gate::Published,
            Self::NotSubscribed(_) | Self::NoRequestUrl | Self::WebhookOnly => Gate::Subscribed,
            Self::NoScope(_) => Gate::Scope,
            Self::NoResourceSubscription => Gate::ResourceSubscription,
        }
    }
}

/// Asks every gate about one app; the first that says no ends it, with its reason and what would open it.
pub fn check(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    walk(subject, app).map_err(|obstacle| Refusal::new(obstacle, subject, app))
}

/// The same without the words.
pub(crate) fn closed(subject: &Subject<'_>, app: &App) -> Option<Gate> {
    walk(subject, app).err().map(Obstacle::gate)
}

fn walk<'a>(subject: &Subject<'a>, app: &'a App) -> Result<(), Obstacle<'a>> {
    let facts = subject.facts;
    match subject.audience {
        Audience::Only(only) if *only != app.id => return Err(Obstacle::OtherAudience(only)),
        _ => {}
    }
    if !allows(facts, app.kind) {
        return Err(Obstacle::OtherAppType);
    }
    match subject.tenant_key {
        Some(tenant) if !app.tenants.contains(tenant) => return Err(Obstacle::NotInstalled(tenant)),
        _ => {}
    }
    let Some(version) = &app.published else {
        return Err(Obstacle::NotPublished);
    };
    subscribed(subject, app, version)?;
    let held = |scope: &String| version.config.scopes.contains(scope.as_str());
    match &facts.scopes {
        ScopeRule::AnyOf(scopes) if !scopes.iter().any(held) => return Err(Obstacle::NoScope(scopes)),
        _ => {}
    }
    match subject.resource_subscribed {
        Some(subscribed) if !subscribed.contains(&app.id) => Err(Obstacle::NoResourceSubscription),
        _ => Ok(()),
    }
}

fn subscribed<'a>(subject: &Subject<'_>, app: &App, version: &'a AppVersion) -> Result<(), Obstacle<'a>> {
    let facts = subject.facts;
    let subscribed = subscriptions(facts, &version.config);
    if !facts.auto_subscribed && !subscribed.types.contains(subject.event_type) {
        return Err(Obstacle::NotSubscribed(version));
    }
    let (is_callback, url) = match facts.kind {
        Kind::Event => (false, &app.event_url),
        Kind::Callback => (true, &app.callback_url),
    };
    match subscribed.mode {
        Mode::Webhook if url.is_none() => Err(Obstacle::NoRequestUrl),
        // The only callback of schema 1.0 is that of old cards.
        Mode::Websocket if is_callback && facts.schema == Schema::V1 => Err(Obstacle::WebhookOnly),
        Mode::Webhook | Mode::Websocket => Ok(()),
    }
}

/// Whether a type may go to apps of this kind; what is not documented is allowed.
pub(crate) fn allows(facts: &EventTypeFacts, kind: AppKind) -> bool {
    facts
        .app_types
        .as_ref()
        .is_none_or(|types| types.contains(&catalogue_type(kind)))
}

/// The catalogue's word for a kind of app.
pub(crate) fn catalogue_type(kind: AppKind) -> AppType {
    match kind {
        AppKind::Custom => AppType::Custom,
        AppKind::Store => AppType::Store,
    }
}

/// The subscriptions that count for a type: events and callbacks have their own.
pub(crate) fn subscriptions<'a>(facts: &EventTypeFacts, config: &'a AppConfig) -> &'a Subscriptions {
    match facts.kind {
        Kind::Event => &config.events,
        Kind::Callback => &config.callbacks,
    }
}
