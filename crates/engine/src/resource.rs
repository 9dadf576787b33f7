//! Which apps subscribed to the resource that an event is about.
//!
//! The catalogue does not say which field names the resource, so a subscription counts when its id stands anywhere in
//! the payload as a whole string.

use std::collections::BTreeSet;

use larkspur_platform::{Publication, PublishSettings, ResourceSubscribed};
use larkspur_wire::AppId;
use serde_json::Value;

use crate::registry::Apps;

/// A subscription to every resource of the type.
const EVERY: &str = "*";

/// The apps that subscribed to what one event is about.
#[derive(Debug)]
pub(crate) struct Subscribed(BTreeSet<AppId>);

impl Subscribed {
    /// `None` when the type needs no such subscription, or when the platform does not ask for them.
    pub(crate) fn of(settings: &PublishSettings, publication: &Publication<'_>, apps: &Apps) -> Option<Self> {
        if !settings.resource_subscriptions || publication.facts.subscribe_api.is_none() {
            return None;
        }
        let rows = apps
            .resource_subscriptions()
            .iter()
            .filter(|row| row.event_type == publication.event_type);
        let about = rows.filter(|row| row.resource == EVERY || names(publication.payload.value(), &row.resource));
        Some(Self(about.map(|row| row.app_id.clone()).collect()))
    }
}

impl ResourceSubscribed for Subscribed {
    fn contains(&self, app: &AppId) -> bool {
        self.0.contains(app)
    }
}

fn names(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Array(items) => items.iter().any(|item| names(item, id)),
        Value::Object(members) => members.values().any(|member| names(member, id)),
        _ => false,
    }
}
