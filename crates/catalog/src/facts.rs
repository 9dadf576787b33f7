//! What is known of one event type.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::field::{Field, fields};
use crate::fit::Shape;
use crate::scope::AppType;

/// Which envelope an event type travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Schema {
    /// `uuid`, `ts`, `type`, and the event's type inside the payload.
    #[serde(rename = "1.0")]
    V1,
    /// `schema` and `header`.
    #[serde(rename = "2.0")]
    V2,
}

/// Whether the platform tells or asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An event: the app takes it, and it is pushed again when it does not.
    #[default]
    Event,
    /// A callback: the app answers it, at once or never.
    Callback,
}

/// Which scopes an app needs to receive an event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScopeRule {
    /// Not documented.
    #[default]
    Unknown,
    /// None.
    NoneRequired,
    /// Any one of these.
    AnyOf(Vec<String>),
}

impl<'de> Deserialize<'de> for ScopeRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Data {
            any_of: Vec<String>,
            none_required: bool,
        }
        let data = Data::deserialize(deserializer)?;
        match (data.none_required, data.any_of.is_empty()) {
            (true, _) => Ok(Self::NoneRequired),
            (false, true) => Ok(Self::Unknown),
            (false, false) => Ok(Self::AnyOf(data.any_of)),
        }
    }
}

/// One event type.
///
/// A payload carries no field for certain: no source marks any as required.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct EventTypeFacts {
    /// Its name, the routing key.
    pub event_type: String,
    /// The official title, in Chinese.
    #[serde(default, rename = "title_zh")]
    pub title: Option<String>,
    /// Whether it is an event or a callback; follows from the file it is in.
    #[serde(skip)]
    pub kind: Kind,
    /// Which envelope it travels in.
    pub schema: Schema,
    /// The business domain, for example `hire`.
    pub domain: String,
    /// The resource it is about.
    #[serde(default)]
    pub resource: Option<String>,
    /// What happened to the resource.
    #[serde(default)]
    pub action: Option<String>,
    /// The version, for example `v1`.
    #[serde(default)]
    pub version: Option<String>,
    /// The app types that may subscribe; `None` when that is not documented.
    #[serde(default)]
    pub app_types: Option<Vec<AppType>>,
    /// The scopes that are needed.
    #[serde(default)]
    pub scopes: ScopeRule,
    /// The official page.
    #[serde(default)]
    pub doc_url: Option<String>,
    /// Whether every app receives it without subscribing.
    #[serde(default)]
    pub auto_subscribed: bool,
    /// Whether it is a former version that new apps should not use.
    #[serde(default)]
    pub historic: bool,
    /// Whether no official page confirms it; the text says who does.
    #[serde(default, deserialize_with = "is_there")]
    pub unverified: bool,
    /// The call that subscribes to one resource, where the subscription to the type is not enough.
    #[serde(default)]
    pub subscribe_api: Option<Vec<SubscribeApi>>,
    /// How to find the one app that it is for; `None` when it is for every app.
    #[serde(default)]
    pub addressed: Option<Addressed>,
    /// Where in the payload stands what the order is kept for: the next event of this type about the same thing is pushed
    /// once the one before is settled. `None` when the order is free.
    #[serde(default)]
    pub ordered_by: Option<String>,
    /// Its fields, parents before children.
    #[serde(deserialize_with = "fields")]
    pub fields: Vec<Field>,
    /// The fields of the answer to a callback; events have no answer.
    #[serde(default, rename = "response_fields", deserialize_with = "fields")]
    pub reply_fields: Vec<Field>,
    /// Callbacks have it beside their fields, event types in a file of its own.
    #[serde(default, deserialize_with = "text")]
    pub(crate) example: Option<Cow<'static, str>>,
    /// The fields as a tree, made when the first payload is looked at.
    #[serde(skip)]
    pub(crate) shape: OnceLock<Shape>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'static, str>>, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    Ok(Some(Cow::Owned(String::from(Box::<str>::from(json)))))
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.is_some())
}

/// A call that subscribes to one resource.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct SubscribeApi {
    /// The official page.
    #[serde(default)]
    pub doc: Option<String>,
    /// The HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// The path.
    #[serde(default)]
    pub path: Option<String>,
}

/// How an event finds the one app that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Addressed {
    /// What in the payload may be bound to an app.
    pub by: Vec<Reference>,
    /// What in the payload is bound to the app that receives it.
    pub binds: Vec<Reference>,
}

/// An id in a payload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// What it names, for example `account`.
    pub kind: String,
    /// Where it stands.
    pub path: String,
}

impl EventTypeFacts {
    /// An example payload in its envelope, as JSON; most types have one.
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Paths of the fields that an app may not see when it holds only the scopes that `held` says it does.
    pub fn withheld_paths(&self, held: &dyn Fn(&str) -> bool) -> Vec<&str> {
        let visible = |field: &&Field| field.scopes.is_empty() || field.scopes.iter().any(|scope| held(scope));
        self.fields
            .iter()
            .filter(|field| !visible(field))
            .map(|field| field.path.as_str())
            .collect()
    }
}
