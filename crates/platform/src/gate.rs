//! The gates between an event and an app, in order; the first that says no names the reason and the fix.

use std::fmt;

use larkspur_catalog::{AppType, EventTypeFacts, Kind, Schema, ScopeRule};
use larkspur_store::{App, AppConfig, AppKind, Mode, Subscriptions};
use larkspur_wire::{AppId, EventType, TenantKey};
use serde::{Deserialize, Serialize};

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

/// Why an app does not get an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first gate that said no.
    pub gate: Gate,
    /// What it found.
    pub reason: String,
    /// What would open it.
    pub fix: String,
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

/// Asks every gate about one app; the first that says no ends it.
pub fn check(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    audience(subject, app)?;
    app_type(subject, app)?;
    installed(subject, app)?;
    let Some(version) = &app.published else {
        return refuse(
            Gate::Published,
            "the app has no published version".to_owned(),
            "publish a version of the app".to_owned(),
        );
    };
    subscribed(subject, app)?;
    scope(subject, &version.config.scopes)?;
    resource(subject, app)
}

fn refuse(gate: Gate, reason: String, fix: String) -> Result<(), Refusal> {
    Err(Refusal { gate, reason, fix })
}

fn audience(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    match subject.audience {
        Audience::Only(only) if *only != app.id => refuse(
            Gate::Audience,
            format!("the event is for `{only}` alone"),
            "bind what the event names to this app, or publish it with this `app_id`".to_owned(),
        ),
        _ => Ok(()),
    }
}

fn app_type(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    if allows(subject.facts, app.kind) {
        return Ok(());
    }
    let (this, other) = match app.kind {
        AppKind::Custom => ("custom", "store"),
        AppKind::Store => ("store", "custom"),
    };
    refuse(
        Gate::AppType,
        format!("`{}` does not go to {this} apps", subject.event_type),
        format!("receive it with a {other} app"),
    )
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

fn installed(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    match subject.tenant_key {
        Some(tenant) if !app.tenants.contains(tenant) => refuse(
            Gate::Installed,
            format!("tenant `{tenant}` has not installed the app"),
            "add the tenant to the app's tenants".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The subscriptions that count for a type: events and callbacks have their own.
pub(crate) fn subscriptions<'a>(facts: &EventTypeFacts, config: &'a AppConfig) -> &'a Subscriptions {
    match facts.kind {
        Kind::Event => &config.events,
        Kind::Callback => &config.callbacks,
    }
}

fn subscribed(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    let event_type = subject.event_type;
    let Some(version) = &app.published else { return Ok(()) };
    let subscriptions_of = |config| subscriptions(subject.facts, config);
    let published = subscriptions_of(&version.config);
    if !subject.facts.auto_subscribed && !published.types.contains(event_type) {
        let drafted = subscriptions_of(&app.draft).types.contains(event_type);
        let fix = match (drafted, subject.facts.kind) {
            (true, _) => "publish a version of the app",
            (false, Kind::Event) => "subscribe to the type and publish a version",
            (false, Kind::Callback) => "subscribe to it among the callbacks and publish a version",
        };
        return refuse(
            Gate::Subscribed,
            format!("version {} does not subscribe to `{event_type}`", version.number),
            fix.to_owned(),
        );
    }
    let (kind, url) = match subject.facts.kind {
        Kind::Event => ("events", &app.event_url),
        Kind::Callback => ("callbacks", &app.callback_url),
    };
    match (published.mode, url) {
        (Mode::Webhook, None) => refuse(
            Gate::Subscribed,
            format!("the app receives {kind} by webhook and has no request URL for them"),
            format!("set the request URL for {kind}, or choose the persistent connection"),
        ),
        // The only callback of schema 1.0 is that of old cards.
        (Mode::Websocket, _) if subject.facts.kind == Kind::Callback && subject.facts.schema == Schema::V1 => refuse(
            Gate::Subscribed,
            format!("`{event_type}` goes by webhook only, and the app receives callbacks over a persistent connection"),
            "choose webhook for the app's callbacks, or send cards that call back with `card.action.trigger`"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn scope(subject: &Subject<'_>, held: &std::collections::BTreeSet<larkspur_wire::Scope>) -> Result<(), Refusal> {
    match &subject.facts.scopes {
        ScopeRule::AnyOf(scopes) if !scopes.iter().any(|scope| held.contains(scope.as_str())) => refuse(
            Gate::Scope,
            format!("the app holds none of {}", quoted(scopes)),
            "add one of them to the app's scopes and publish a version".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Names in back ticks, with commas.
pub(crate) fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn resource(subject: &Subject<'_>, app: &App) -> Result<(), Refusal> {
    match subject.resource_subscribed {
        Some(subscribed) if !subscribed.contains(&app.id) => refuse(
            Gate::ResourceSubscription,
            format!(
                "`{}` needs a subscription to the resource itself, and the app has none",
                subject.event_type
            ),
            "subscribe the app to the resource".to_owned(),
        ),
        _ => Ok(()),
    }
}
