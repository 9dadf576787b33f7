//! JSON on its way into the structs: text stays where it is, and an object is a list of members, so that reading costs
//! an allocation for what is kept and none for names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most objects have fewer members, and most lists fewer items; a few more bytes cost less than growing.
const ROOM: usize = 8;
/// No text announces how many members or items it has, but other sources do; more than this is not believed.
const ROOM_MAX: usize = 1_024;

/// A JSON value, borrowed from its text where it can be.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub enum Node<'a> {
    /// Left behind where something was taken from.
    #[default]
    Taken,
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Node<'a>>),
    /// The members of an object, in their order; of two with one name the last counts.
    Object(Members<'a>),
}

/// Names and values.
#[doc(hidden)]
pub type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

impl From<Node<'_>> for Value {
    fn from(node: Node<'_>) -> Self {
        match node {
            Node::Taken | Node::Null => Self::Null,
            Node::Bool(value) => Self::Bool(value),
            Node::Number(number) => Self::Number(number),
            Node::Text(text) => Self::String(text.into_owned()),
            Node::List(items) => items.into_iter().map(Self::from).collect(),
            Node::Object(members) => Self::Object(map(members)),
        }
    }
}

/// The members as a map.
pub(crate) fn map(members: Members<'_>) -> Map<String, Value> {
    let owned = |(name, node): (Cow<'_, str>, Node<'_>)| (name.into_owned(), node.into());
    members.into_iter().map(owned).collect()
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    /// What is no number in JSON, such as infinity, is nothing.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.is_empty() {
                list = Vec::with_capacity(items.size_hint().map_or(1, |more| more.min(ROOM_MAX) + 1));
            }
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Node<'de>, A::Error> {
        read_members(members).map(Node::Object)
    }
}

/// An object alone.
pub(crate) struct Whole<'a>(pub(crate) Members<'a>);

impl<'de> Deserialize<'de> for Whole<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectReader;
        impl<'de> Visitor<'de> for ObjectReader {
            type Value = Whole<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Whole<'de>, A::Error> {
                read_members(members).map(Whole)
            }
        }
        deserializer.deserialize_map(ObjectReader)
    }
}

fn read_members<'de, A: MapAccess<'de>>(mut access: A) -> Result<Members<'de>, A::Error> {
    let mut members = Vec::new();
    while let Some(Name(name)) = access.next_key()? {
        if members.is_empty() {
            members = Vec::with_capacity(access.size_hint().map_or(ROOM, |more| more.min(ROOM_MAX) + 1));
        }
        members.push((name, access.next_value()?));
    }
    Ok(members)
}

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
