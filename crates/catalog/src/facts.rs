//! What is known of one event type.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

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
    /// Its fields, parents before children.
    pub fields: Vec<Field>,
    #[serde(skip)]
    pub(crate) example: Option<&'static str>,
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

/// One field of a payload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Where it stands; `[]` marks the items of a list: `candidates[].name`.
    pub path: String,
    /// Its type.
    pub field_type: FieldType,
    /// What it means, where that is written down.
    pub doc: Option<String>,
    /// The scopes that let an app see it, any one; empty when every app may.
    pub scopes: Vec<String>,
    /// The values it takes, with a name for each; others may come.
    pub values: BTreeMap<String, String>,
    /// The unit of a time, for example `timestamp_ms`.
    pub format: Option<String>,
    /// The name of the object's type in the official SDKs.
    pub object: Option<String>,
    /// Equal for objects of equal structure.
    pub shape: Option<String>,
    /// The field that this is another spelling of.
    pub spelling_of: Option<String>,
    /// Whether sources contradict each other about its type, so that any is taken.
    pub wire_ambiguous: bool,
    /// Whether it is on its way out.
    pub deprecated: bool,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text; ids are text too, never numbers.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// Members that are listed as fields of their own.
    Object,
    /// Items of one type.
    List(Box<FieldType>),
    /// Members of one type under names that are not fixed.
    Map(Box<FieldType>),
    /// Anything.
    Any,
}

impl FieldType {
    fn parse(text: &str) -> Option<Self> {
        let inner = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix('>').map(Self::parse);
        Some(match text {
            "string" => Self::String,
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "object" => Self::Object,
            "any" => Self::Any,
            "map" => Self::Map(Box::new(Self::Any)),
            _ => match (inner("list<"), inner("map<")) {
                (Some(item), _) => Self::List(Box::new(item?)),
                (_, Some(item)) => Self::Map(Box::new(item?)),
                _ => return None,
            },
        })
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Bool => f.write_str("bool"),
            Self::Object => f.write_str("object"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(item) => write!(f, "map<{item}>"),
            Self::Any => f.write_str("any"),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Attributes {
    doc: Option<String>,
    scopes: Vec<String>,
    r#enum: BTreeMap<String, String>,
    format: Option<String>,
    object: Option<String>,
    shape: Option<String>,
    spelling_of: Option<String>,
    wire_ambiguous: bool,
    deprecated: bool,
    sources: Vec<String>,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Data {
            Bare(String, String),
            Attributed(String, String, Box<Attributes>),
        }
        let (path, field_type, attributes) = match Data::deserialize(deserializer)? {
            Data::Bare(path, field_type) => (path, field_type, Box::default()),
            Data::Attributed(path, field_type, attributes) => (path, field_type, attributes),
        };
        let unknown = || de::Error::custom(format!("`{field_type}` is no field type"));
        Ok(Self {
            field_type: FieldType::parse(&field_type).ok_or_else(unknown)?,
            path,
            doc: attributes.doc,
            scopes: attributes.scopes,
            values: attributes.r#enum,
            format: attributes.format,
            object: attributes.object,
            shape: attributes.shape,
            spelling_of: attributes.spelling_of,
            wire_ambiguous: attributes.wire_ambiguous,
            deprecated: attributes.deprecated,
        })
    }
}

impl EventTypeFacts {
    /// An example payload in its envelope, as JSON; most types have one.
    pub fn example(&self) -> Option<&str> {
        self.example
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
