//! What is published and what is answered, as the API shows it.

use larkspur_engine::{ExplainedVerdict, Explanation, Published, PublishedDelivery};
use larkspur_platform::Gate;
use larkspur_wire::{AppId, EventId, EventType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::word::PushMode;
use crate::problem::{Document, Problem};

/// An event to publish. Unknown members are refused by name; inside `event` they are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Publication)]
#[expect(dead_code, reason = "it describes what the platform parses itself, header first")]
pub(super) struct PublicationView {
    /// What happened; `GET /api/v1/event-types` lists what exists.
    #[schema(example = "hire.eco_exam.created_v1")]
    event_type: String,
    /// The payload, which must fit the type.
    #[schema(value_type = Object)]
    event: serde_json::Value,
    /// The tenant it happened in; may be left out where the platform has a default one.
    #[schema(required = false)]
    tenant_key: Option<String>,
    /// The idempotency key, 1 to 128 visible ASCII characters; minted when left out.
    #[schema(required = false)]
    event_id: Option<String>,
    /// The one app it is for.
    #[schema(required = false)]
    app_id: Option<String>,
    /// When it happened, in milliseconds since 1970; now, when left out.
    #[schema(required = false)]
    create_time: Option<i64>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Published)]
pub(super) struct PublishedView {
    /// Its id.
    #[schema(value_type = String)]
    event_id: EventId,
    /// Its type.
    #[schema(value_type = String)]
    event_type: EventType,
    /// Whether the same event had been published before, so that nothing new was made.
    repeated: bool,
    /// One per app that gets it.
    deliveries: Vec<PublishedDeliveryView>,
    /// How many apps each gate refused.
    refused: RefusedByGate,
    /// Every app with its verdict, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<ExplanationView>>,
    /// What could not be checked because it is not documented.
    warnings: Vec<String>,
}

/// One delivery that a publish made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PublishedDelivery)]
pub(super) struct PublishedDeliveryView {
    /// Its id.
    delivery_id: String,
    /// The app it goes to.
    #[schema(value_type = String)]
    app_id: AppId,
    /// How it is pushed.
    mode: PushMode,
    /// The app's live persistent connections.
    online: usize,
}

/// How many apps each gate refused; an app counts at the first gate that said no.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct RefusedByGate {
    /// The event is for another app.
    audience: u32,
    /// The type does not go to apps of their kind.
    app_type: u32,
    /// The tenant has not installed them.
    installed: u32,
    /// They have no published version.
    published: u32,
    /// Their version does not subscribe to the type.
    subscribed: u32,
    /// They hold none of the type's scopes.
    scope: u32,
    /// They did not subscribe to the resource.
    resource_subscription: u32,
}

/// Whether one app gets the event, and why not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(super) struct ExplanationView {
    /// The app.
    app_id: String,
    /// Its name.
    app_name: String,
    /// Whether it gets the event.
    delivered: bool,
    /// Paths of the fields it may not see.
    withheld: Vec<String>,
    /// The first gate that said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    /// What the gate found.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What would open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// One line of the answer to many events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum PublishedLine {
    /// What became of the event.
    Published(Box<PublishedView>),
    /// Why it was refused.
    Refused {
        /// The problem, as a single event's answer would have it.
        #[schema(value_type = Document)]
        error: Problem,
    },
}

impl From<Published> for PublishedView {
    fn from(published: Published) -> Self {
        let mut refused = RefusedByGate::default();
        for (gate, count) in &published.refused {
            *refused.at(*gate) = *count;
        }
        Self {
            event_id: published.event_id,
            event_type: published.event_type,
            repeated: published.repeated,
            deliveries: published.deliveries.into_iter().map(Into::into).collect(),
            refused,
            explain: published
                .explanations
                .map(|all| all.into_iter().map(Into::into).collect()),
            warnings: published.warnings,
        }
    }
}

impl RefusedByGate {
    fn at(&mut self, gate: Gate) -> &mut u32 {
        match gate {
            Gate::Audience => &mut self.audience,
            Gate::AppType => &mut self.app_type,
            Gate::Installed => &mut self.installed,
            Gate::Published => &mut self.published,
            Gate::Subscribed => &mut self.subscribed,
            Gate::Scope => &mut self.scope,
            Gate::ResourceSubscription => &mut self.resource_subscription,
        }
    }
}

impl From<PublishedDelivery> for PublishedDeliveryView {
    fn from(delivery: PublishedDelivery) -> Self {
        Self {
            delivery_id: delivery.delivery_id.to_string(),
            app_id: delivery.app_id,
            mode: delivery.mode.into(),
            online: delivery.online,
        }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let (app_id, app_name) = (explanation.app_id.to_string(), explanation.app_name);
        match explanation.verdict {
            ExplainedVerdict::Delivered { withheld } => Self {
                app_id,
                app_name,
                delivered: true,
                withheld,
                gate: None,
                reason: None,
                fix: None,
            },
            ExplainedVerdict::Refused(refusal) => Self {
                app_id,
                app_name,
                delivered: false,
                withheld: Vec::new(),
                gate: Some(refusal.gate.to_string()),
                reason: Some(refusal.reason),
                fix: Some(refusal.fix),
            },
        }
    }
}
