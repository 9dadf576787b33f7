//! An event type as the API shows it.

use std::collections::BTreeMap;

use larkspur_catalog::{AppType, EventTypeFacts, Field, Schema, ScopeRule};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::word::Kind;

/// An event type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventType)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct EventTypeView {
    /// Its name, the routing key.
    event_type: String,
    /// The official title, in Chinese.
    title: Option<String>,
    /// The envelope it travels in: `1.0` or `2.0`.
    schema: String,
    /// The business domain.
    domain: String,
    /// The app types that may subscribe; `null` when that is not documented.
    app_types: Option<Vec<Kind>>,
    /// Any one of these scopes is needed; empty when none is, `null` when that is not documented.
    scopes: Option<Vec<String>>,
    /// The official page.
    doc_url: Option<String>,
    /// Whether every app receives it without subscribing.
    auto_subscribed: bool,
    /// Whether it is a former version that new apps should not use.
    historic: bool,
    /// Whether no official page confirms it.
    unverified: bool,
    /// Whether a subscription to the resource is needed besides the one to the type.
    needs_resource_subscription: bool,
    /// Whether each event is for one app only, found by what the payload names or by `app_id`.
    addressed: bool,
    /// Its fields, parents before children; missing in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<FieldView>>,
}

/// One field of a payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Field)]
pub(crate) struct FieldView {
    /// Where it stands; `[]` marks the items of a list.
    path: String,
    /// Its type, for example `list<string>`.
    #[serde(rename = "type")]
    field_type: String,
    /// What it means, where that is written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    /// Any one of these scopes lets an app see it; missing when every app may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    scopes: Vec<String>,
    /// The values it takes, with a name for each; others may come.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    values: BTreeMap<String, String>,
}

impl EventTypeView {
    /// The type without its fields.
    pub(super) fn brief(facts: &EventTypeFacts) -> Self {
        let kind = |app_type: &AppType| match app_type {
            AppType::Custom => Kind::Custom,
            AppType::Store => Kind::Store,
        };
        Self {
            event_type: facts.event_type.clone(),
            title: facts.title.clone(),
            schema: match facts.schema {
                Schema::V1 => "1.0".to_owned(),
                Schema::V2 => "2.0".to_owned(),
            },
            domain: facts.domain.clone(),
            app_types: facts.app_types.as_ref().map(|types| types.iter().map(kind).collect()),
            scopes: match &facts.scopes {
                ScopeRule::Unknown => None,
                ScopeRule::NoneRequired => Some(Vec::new()),
                ScopeRule::AnyOf(scopes) => Some(scopes.clone()),
            },
            doc_url: facts.doc_url.clone(),
            auto_subscribed: facts.auto_subscribed,
            historic: facts.historic,
            unverified: facts.unverified,
            needs_resource_subscription: facts.subscribe_api.is_some(),
            addressed: facts.addressed.is_some(),
            fields: None,
        }
    }

    /// The type with its fields.
    pub(super) fn full(facts: &EventTypeFacts) -> Self {
        Self {
            fields: Some(facts.fields.iter().map(FieldView::from).collect()),
            ..Self::brief(facts)
        }
    }
}

impl From<&Field> for FieldView {
    fn from(field: &Field) -> Self {
        Self {
            path: field.path.clone(),
            field_type: field.field_type.to_string(),
            doc: field.doc.clone(),
            scopes: field.scopes.clone(),
            values: field.values.clone(),
        }
    }
}
