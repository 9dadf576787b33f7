//! The types that a field may have, read from and written to JSON values.
//!
//! Structs go through [`Member`] as trait objects, so that what reads and writes them is compiled once and not once
//! for each of hundreds of structs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::node::{Node, map};
use crate::object::{Object, fill};

/// Up to here every whole number is a float of its own: 2⁵³.
const WHOLE_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// What a member may be called; the first name is the one to write.
#[doc(hidden)]
pub type Names = &'static [&'static str];

/// A type that a field may have.
#[doc(hidden)]
pub trait Part: Sized {
    /// Whether a value that is not `null` can be read.
    fn fits(node: &Node<'_>) -> bool;
    /// Reads a value that fits, and counts what has no place in it.
    fn read(node: Node<'_>, drift: &mut usize) -> Option<Self>;
    /// What is to be written.
    fn written(&self) -> Written<'_>;
}

/// A field of a struct, whatever its type is.
#[doc(hidden)]
pub trait Member {
    /// Reads a value that is not `null`; gives it back when it does not fit.
    fn fill<'a>(&mut self, node: Node<'a>, drift: &mut usize) -> Result<(), Node<'a>>;
    /// What is to be written; nothing when the field is empty.
    fn written(&self) -> Option<Written<'_>>;
}

impl<T: Part> Member for Option<T> {
    fn fill<'a>(&mut self, node: Node<'a>, drift: &mut usize) -> Result<(), Node<'a>> {
        if !T::fits(&node) {
            return Err(node);
        }
        *self = T::read(node, drift);
        Ok(())
    }

    fn written(&self) -> Option<Written<'_>> {
        self.as_ref().map(T::written)
    }
}

/// A value on its way out, borrowed from its struct.
#[doc(hidden)]
#[derive(Debug)]
pub enum Written<'a> {
    /// A scalar.
    Text(&'a str),
    /// A scalar.
    Int(i64),
    /// A value as it came.
    Value(&'a Value),
    /// A scalar.
    Owned(Value),
    /// A list.
    List(Vec<Written<'a>>),
    /// A map.
    Map(Vec<(&'a str, Written<'a>)>),
    /// A map of anything.
    Members(&'a Map<String, Value>),
    /// A struct.
    Object(&'a dyn Object),
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Int(int) => serializer.serialize_i64(*int),
            Self::Value(value) => value.serialize(serializer),
            Self::Owned(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(members) => serializer.collect_map(members.iter().map(|(name, member)| (name, member))),
            Self::Members(members) => members.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

/// Reads text, or the text of a number.
pub(crate) fn text(node: Node<'_>) -> Option<Cow<'_, str>> {
    match node {
        Node::Text(text) => Some(text),
        Node::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

impl Part for String {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::Text(_) | Node::Number(_))
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        text(node).map(Cow::into_owned)
    }

    fn written(&self) -> Written<'_> {
        Written::Text(self)
    }
}

/// Reads a whole number, or text that is one to the letter: `"07"` is left alone, because 7 would lose the zero.
fn int(node: &Node<'_>) -> Option<i64> {
    match node {
        Node::Number(number) => number.as_i64(),
        Node::Text(text) => text.parse().ok().filter(|int: &i64| int.to_string() == *text),
        _ => None,
    }
}

impl Part for i64 {
    fn fits(node: &Node<'_>) -> bool {
        int(node).is_some()
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        int(&node)
    }

    fn written(&self) -> Written<'_> {
        Written::Int(*self)
    }
}

/// Reads a number, or the text of one; whole numbers that are no float of their own are left alone.
fn float(node: &Node<'_>) -> Option<f64> {
    let (float, is_exact) = match node {
        Node::Number(number) => (number.as_f64()?, number.is_f64()),
        Node::Text(text) => (text.parse().ok().filter(|float: &f64| float.is_finite())?, false),
        _ => return None,
    };
    (is_exact || float.abs() < WHOLE_FLOAT_MAX).then_some(float)
}

impl Part for f64 {
    fn fits(node: &Node<'_>) -> bool {
        float(node).is_some()
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        float(&node)
    }

    fn written(&self) -> Written<'_> {
        // A whole number is written as one: `3`, which it was read from more often than from `3.0`.
        let whole = self.fract() == 0.0 && self.abs() < WHOLE_FLOAT_MAX;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bound")]
        if whole {
            Written::Int(*self as i64)
        } else {
            Written::Owned(Value::from(*self))
        }
    }
}

impl Part for bool {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::Bool(_))
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        match node {
            Node::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn written(&self) -> Written<'_> {
        Written::Owned(Value::Bool(*self))
    }
}

impl Part for Value {
    fn fits(_: &Node<'_>) -> bool {
        true
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        Some(node.into())
    }

    fn written(&self) -> Written<'_> {
        Written::Value(self)
    }
}

impl Part for Map<String, Value> {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::Object(_))
    }

    fn read(node: Node<'_>, _: &mut usize) -> Option<Self> {
        match node {
            Node::Object(members) => Some(map(members)),
            _ => None,
        }
    }

    fn written(&self) -> Written<'_> {
        Written::Members(self)
    }
}

/// A list fits when each item does, so that none is lost or moves.
impl<T: Part> Part for Vec<T> {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::List(items) if items.iter().all(T::fits))
    }

    fn read(node: Node<'_>, drift: &mut usize) -> Option<Self> {
        match node {
            Node::List(items) => items.into_iter().map(|item| T::read(item, drift)).collect(),
            _ => None,
        }
    }

    fn written(&self) -> Written<'_> {
        Written::List(self.iter().map(T::written).collect())
    }
}

impl<T: Part> Part for BTreeMap<String, T> {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::Object(members) if members.iter().all(|(_, member)| T::fits(member)))
    }

    fn read(node: Node<'_>, drift: &mut usize) -> Option<Self> {
        match node {
            Node::Object(members) => members
                .into_iter()
                .map(|(name, member)| Some((name.into_owned(), T::read(member, drift)?)))
                .collect(),
            _ => None,
        }
    }

    fn written(&self) -> Written<'_> {
        Written::Map(
            self.iter()
                .map(|(name, member)| (name.as_str(), member.written()))
                .collect(),
        )
    }
}

impl<T: Object + Default> Part for T {
    fn fits(node: &Node<'_>) -> bool {
        matches!(node, Node::Object(_))
    }

    fn read(node: Node<'_>, drift: &mut usize) -> Option<Self> {
        let Node::Object(members) = node else { return None };
        let mut object = Self::default();
        fill(&mut object, members, drift);
        Some(object)
    }

    fn written(&self) -> Written<'_> {
        Written::Object(self)
    }
}
