//! A call: a callback on its way to the one app that answers it.
//!
//! The same gates as for an event decide, and exactly one app must pass. Nothing of a call is kept, and it is never
//! tried again. See
//! <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/callback-overview>.

mod refusal;

use std::sync::Arc;

use larkspur_catalog::{Catalog, EventTypeFacts, Schema};
use larkspur_store::App;
use larkspur_wire::envelope::{self, NewHeader};
use larkspur_wire::{AppId, EventId, EventType, TenantKey, TimestampMs, hex};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::gate::{Audience, Subject, check};
use crate::plan::{Plan, Planned};
use crate::projection::project;
use crate::publication::{PublishError, check_payload, check_verified};
use crate::settings::{PublishSettings, UnverifiedTypes, WithheldField};

pub use refusal::CallRefusal;

/// A callback as a caller hands it in, checked.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// What is asked.
    pub event_type: EventType,
    /// What the catalogue says of the type.
    pub facts: &'a EventTypeFacts,
    /// The payload.
    pub payload: Map<String, Value>,
    /// The tenant it happens in.
    pub tenant_key: TenantKey,
    /// The app to ask, when the caller named it.
    pub app_id: Option<AppId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    event_type: EventType,
    event: Value,
    tenant_key: Option<TenantKey>,
    app_id: Option<AppId>,
}

impl<'a> Call<'a> {
    /// Reads a call and checks it against the catalogue.
    pub fn parse(
        json: &[u8],
        catalog: &'a Catalog,
        settings: &PublishSettings,
        unverified: UnverifiedTypes,
    ) -> Result<Self, CallRefusal> {
        if json.len() > settings.event_bytes_max {
            return Err(CallRefusal::Request(PublishError::TooLarge {
                bytes: json.len(),
                bytes_max: settings.event_bytes_max,
            }));
        }
        let body: Body = serde_json::from_slice(json).map_err(PublishError::malformed)?;
        let event_type = body.event_type;
        let Some(facts) = catalog.callback(event_type.as_str()) else {
            if catalog.find(event_type.as_str()).is_some() {
                return Err(CallRefusal::IsEvent { event_type });
            }
            let suggestion = catalog.suggest_callback(event_type.as_str()).map(str::to_owned);
            return Err(CallRefusal::UnknownCallback { event_type, suggestion });
        };
        check_verified(&event_type, facts, unverified)?;
        check_payload(&event_type, facts, &body.event)?;
        let tenant_key = body.tenant_key.or_else(|| settings.default_tenant.clone());
        Ok(Self {
            event_type,
            facts,
            // What is no object did not fit the type.
            payload: body.event.as_object().cloned().unwrap_or_default(),
            tenant_key: tenant_key.ok_or(PublishError::NoTenant)?,
            app_id: body.app_id,
        })
    }

    /// The one app that answers: the one named, else the only one that passes every gate.
    pub fn callee<'b>(&self, apps: impl IntoIterator<Item = &'b Arc<App>>) -> Result<Planned, CallRefusal> {
        let audience = self
            .app_id
            .as_ref()
            .map_or(Audience::Everyone, |id| Audience::Only(id.clone()));
        let subject = Subject {
            event_type: &self.event_type,
            facts: self.facts,
            tenant_key: Some(&self.tenant_key),
            audience: &audience,
            resource_subscribed: None,
        };
        let named = |app: &&Arc<App>| self.app_id.as_ref().is_none_or(|id| *id == app.id);
        let mut plan = Plan::new(&subject, apps.into_iter().filter(named));
        match (plan.deliveries.len(), &self.app_id) {
            (1, _) => {}
            (0, Some(app_id)) if plan.refused.is_empty() => {
                return Err(PublishError::UnknownApp { app_id: app_id.clone() }.into());
            }
            (0, _) => return Err(self.refused(&subject, plan)),
            _ => {
                let apps = plan.deliveries.into_iter().map(|planned| planned.app.id.clone());
                return Err(CallRefusal::Ambiguous {
                    event_type: self.event_type.clone(),
                    apps: apps.collect(),
                });
            }
        }
        plan.deliveries.pop().ok_or_else(|| CallRefusal::NoApp {
            event_type: self.event_type.clone(),
        })
    }

    /// Of the apps that do not answer, the one that came furthest tells most.
    fn refused(&self, subject: &Subject<'_>, plan: Plan) -> CallRefusal {
        let event_type = self.event_type.clone();
        let furthest = plan.refused.into_iter().max_by_key(|(_, gate)| *gate);
        match furthest.map(|(app, _)| (app.id.clone(), check(subject, &app))) {
            Some((app_id, Err(refusal))) => CallRefusal::Gate {
                event_type,
                app_id,
                refusal,
            },
            _ => CallRefusal::NoApp { event_type },
        }
    }

    /// The bytes to push to the app, compact JSON.
    ///
    /// `entropy` makes the credential by which the app may change the card later, where the caller gave none.
    pub fn render(
        &self,
        callee: &Planned,
        event_id: &EventId,
        now: TimestampMs,
        instead: WithheldField,
        entropy: [u8; 16],
    ) -> Vec<u8> {
        let mut payload = Value::Object(self.payload.clone());
        project(&mut payload, &callee.withheld, instead);
        let Value::Object(mut payload) = payload else {
            return Vec::new();
        };
        if self.facts.fields.iter().any(|field| field.path == UPDATE_TOKEN) {
            payload
                .entry(UPDATE_TOKEN)
                .or_insert_with(|| format!("c-{}", hex(&entropy)).into());
        }
        match self.facts.schema {
            Schema::V1 => envelope::write_card_v1(&self.tenant_key, &payload),
            Schema::V2 => {
                let header = NewHeader {
                    event_id,
                    event_type: &self.event_type,
                    create_time: now,
                    token: &callee.app.verification_token,
                    app_id: &callee.app.id,
                    tenant_key: Some(&self.tenant_key),
                };
                envelope::write_callback(&header, &payload)
            }
        }
    }

    /// Whether the push is signed as that of an old card, which is never encrypted.
    pub fn is_card_v1(&self) -> bool {
        self.facts.schema == Schema::V1
    }
}

/// The field of card callbacks that lets the app change the card for half an hour.
const UPDATE_TOKEN: &str = "token";
