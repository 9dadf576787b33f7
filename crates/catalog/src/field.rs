//! One field of a payload, as the data files list it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};

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
    /// The scopes that let an app see it, any one; empty when every app may. Another spelling has those of its field.
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

impl Field {
    /// The path of the field that this is another spelling of.
    fn spells(&self) -> Option<String> {
        let listed = self.spelling_of.as_deref()?;
        Some(match self.path.rsplit_once('.') {
            Some((parent, _)) => format!("{parent}.{listed}"),
            None => listed.to_owned(),
        })
    }

    /// Whether it stands inside another.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        let rest = self.path.strip_prefix(other.path.as_str());
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    }
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
    sources: de::IgnoredAny,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FieldVisitor)
    }
}

/// Reads `[path, type]` and `[path, type, attributes]`.
struct FieldVisitor;

impl<'de> de::Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field as `[path, type, attributes]`")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        let path: String = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let field_type: Cow<'de, str> = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
        let attributes: Attributes = seq.next_element()?.unwrap_or_default();
        let unknown = || de::Error::custom(format!("`{field_type}` is no field type"));
        Ok(Field {
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

/// Reads the fields, and gives each spelling the scopes of the field that it spells: whoever may not see the one may
/// not see the other.
pub(crate) fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Field>, D::Error> {
    let mut fields = Vec::<Field>::deserialize(deserializer)?;
    for idx in 0..fields.len() {
        let Some(path) = fields[idx].spells() else { continue };
        let missing = || de::Error::custom(format!("`{}` spells `{path}`, which is not listed", fields[idx].path));
        let spelled = fields.iter().find(|field| field.path == path).ok_or_else(missing)?;
        let scopes = spelled.scopes.clone();
        fields[idx].scopes = scopes;
    }
    Ok(fields)
}
