//! Why an app does not get an event, in words.

use std::fmt;

use larkspur_catalog::Kind;
use larkspur_store::{App, AppKind, AppVersion};

use super::{Gate, Obstacle, Subject, subscriptions};

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

impl Refusal {
    pub(super) fn new(obstacle: Obstacle<'_>, subject: &Subject<'_>, app: &App) -> Self {
        let event_type = subject.event_type;
        let (reason, fix) = match obstacle {
            Obstacle::OtherAudience(only) => (
                format!("the event is for `{only}` alone"),
                "bind what the event names to this app, or publish it with this `app_id`",
            ),
            Obstacle::OtherAppType => other_app_type(subject, app),
            Obstacle::NotInstalled(tenant) => (
                format!("tenant `{tenant}` has not installed the app"),
                "add the tenant to the app's tenants",
            ),
            Obstacle::NotPublished => (
                "the app has no published version".to_owned(),
                "publish a version of the app",
            ),
            Obstacle::NotSubscribed(version) => not_subscribed(subject, app, version),
            Obstacle::NoRequestUrl => no_request_url(subject),
            Obstacle::WebhookOnly => (
                format!(
                    "`{event_type}` goes by webhook only, and the app receives callbacks over a persistent connection"
                ),
                "choose webhook for the app's callbacks, or send cards that call back with `card.action.trigger`",
            ),
            Obstacle::NoScope(scopes) => (
                format!("the app holds none of {}", quoted(scopes)),
                "add one of them to the app's scopes and publish a version",
            ),
            Obstacle::NoResourceSubscription => (
                format!("`{event_type}` needs a subscription to the resource itself, and the app has none"),
                "subscribe the app to the resource",
            ),
        };
        Self {
            gate: obstacle.gate(),
            reason,
            fix: fix.to_owned(),
        }
    }
}

fn other_app_type(subject: &Subject<'_>, app: &App) -> (String, &'static str) {
    let (this, fix) = match app.kind {
        AppKind::Custom => ("custom", "receive it with a store app"),
        AppKind::Store => ("store", "receive it with a custom app"),
    };
    (format!("`{}` does not go to {this} apps", subject.event_type), fix)
}

fn not_subscribed(subject: &Subject<'_>, app: &App, version: &AppVersion) -> (String, &'static str) {
    let event_type = subject.event_type;
    let is_drafted = subscriptions(subject.facts, &app.draft).types.contains(event_type);
    let fix = match (is_drafted, subject.facts.kind) {
        (true, _) => "publish a version of the app",
        (false, Kind::Event) => "subscribe to the type and publish a version",
        (false, Kind::Callback) => "subscribe to it among the callbacks and publish a version",
    };
    let reason = format!("version {} does not subscribe to `{event_type}`", version.number);
    (reason, fix)
}

fn no_request_url(subject: &Subject<'_>) -> (String, &'static str) {
    let (kind, fix) = match subject.facts.kind {
        Kind::Event => (
            "events",
            "set the request URL for events, or choose the persistent connection",
        ),
        Kind::Callback => (
            "callbacks",
            "set the request URL for callbacks, or choose the persistent connection",
        ),
    };
    let reason = format!("the app receives {kind} by webhook and has no request URL for them");
    (reason, fix)
}

/// Names in back ticks, with commas.
pub(crate) fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
