//! Reading and writing the structs of the catalogue.

use std::fmt::Debug;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Map;

use crate::extra::Extra;
use crate::node::{Members, Node, Whole};
use crate::part::{Member, Names, Written};

/// A struct of the catalogue.
pub trait Object: Debug {
    /// The members that have no place in the fields.
    fn extra(&self) -> &Extra;

    #[doc(hidden)]
    fn extra_mut(&mut self) -> &mut Extra;

    #[doc(hidden)]
    fn fields(&self) -> Vec<(Names, &dyn Member)>;

    #[doc(hidden)]
    fn each_mut(&mut self, visit: &mut dyn FnMut(Names, &mut dyn Member));

    /// The paths of all members at any level that have no place in the fields: what Feishu sends and the catalogue
    /// does not list, or lists with another type.
    fn unlisted(&self) -> Vec<String> {
        let mut paths = Vec::new();
        unlisted(self.extra(), self.fields(), "", &mut paths);
        paths
    }
}

fn unlisted(extra: &Extra, fields: Vec<(Names, &dyn Member)>, path: &str, paths: &mut Vec<String>) {
    paths.extend(extra.keys().map(|name| join(path, name)));
    for (names, member) in fields {
        if let Some(written) = member.written() {
            unlisted_in(&written, join(path, names[0]), paths);
        }
    }
}

fn unlisted_in(written: &Written<'_>, path: String, paths: &mut Vec<String>) {
    match written {
        Written::Object(object) => unlisted(object.extra(), object.fields(), &path, paths),
        Written::List(items) => {
            for (idx, item) in items.iter().enumerate() {
                unlisted_in(item, format!("{path}[{idx}]"), paths);
            }
        }
        Written::Map(members) => {
            for (name, member) in members {
                unlisted_in(member, join(&path, name), paths);
            }
        }
        Written::Text(_) | Written::Int(_) | Written::Owned(_) | Written::Value(_) | Written::Members(_) => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Moves members into the fields; what finds no place goes to `extra` and is counted in `drift`.
pub(crate) fn fill(object: &mut dyn Object, mut members: Members<'_>, drift: &mut usize) {
    let (mut nulls, mut unlisted, mut taken) = (Vec::new(), Map::new(), 0);
    object.each_mut(&mut |names, member| {
        let find = |name: &&'static str| {
            let place = members.iter().rposition(|(found, _)| found == name)?;
            Some((*name, place))
        };
        let Some((name, place)) = names.iter().find_map(find) else {
            return;
        };
        taken += 1;
        match std::mem::take(&mut members[place].1) {
            Node::Null => nulls.push(name),
            node => {
                if let Err(node) = member.fill(node, drift) {
                    *drift += 1;
                    unlisted.insert(name.to_owned(), node.into());
                }
            }
        }
    });
    if taken < members.len() {
        let (taken, left): (Members<'_>, Members<'_>) =
            members.into_iter().partition(|(_, node)| matches!(node, Node::Taken));
        for (name, node) in left {
            // Of two with one name the last was taken, and the other is of no use.
            if !taken.iter().any(|(other, _)| *other == name) {
                *drift += 1;
                unlisted.insert(name.into_owned(), node.into());
            }
        }
    }
    *object.extra_mut() = Extra::read(unlisted, nulls);
}

/// Reads a struct; only what is no JSON object fails.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Object + Default,
    D: Deserializer<'de>,
{
    let mut object = T::default();
    fill(&mut object, Whole::deserialize(deserializer)?.0, &mut 0);
    Ok(object)
}

/// Reads a struct, and counts the members that have no place in it.
pub(crate) fn read<T: Object + Default>(json: &str) -> serde_json::Result<(T, usize)> {
    let (mut object, mut drift) = (T::default(), 0);
    fill(&mut object, serde_json::from_str::<Whole<'_>>(json)?.0, &mut drift);
    Ok((object, drift))
}

/// A field that has a value wins over a member of `extra` of its name.
impl Serialize for dyn Object + '_ {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields();
        let extra = self.extra();
        let mut map = serializer.serialize_map(None)?;
        for (names, member) in &fields {
            match member.written() {
                Some(written) => map.serialize_entry(names[0], &written)?,
                None => {
                    for name in names
                        .iter()
                        .filter(|name| extra.was_null(name) && !extra.contains_key(**name))
                    {
                        map.serialize_entry(name, &())?;
                    }
                }
            }
        }
        for (name, value) in extra.iter() {
            let has_field = |(names, member): &(Names, &dyn Member)| names[0] == name && member.written().is_some();
            if !fields.iter().any(has_field) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// Makes a struct an [`Object`], given its fields and the names of the members.
macro_rules! object {
    ($name:ident { $($field:ident = $first:literal $(| $other:literal)*),* $(,)? }) => {
        impl $crate::object::Object for $name {
            fn extra(&self) -> &$crate::Extra {
                &self.extra
            }
            fn extra_mut(&mut self) -> &mut $crate::Extra {
                &mut self.extra
            }
            fn fields(&self) -> Vec<($crate::part::Names, &dyn $crate::part::Member)> {
                vec![$((&[$first $(, $other)*], &self.$field)),*]
            }
            fn each_mut(&mut self, visit: &mut dyn FnMut($crate::part::Names, &mut dyn $crate::part::Member)) {
                $(visit(&[$first $(, $other)*], &mut self.$field);)*
                // A struct may have no fields.
                let _ = visit;
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(self as &dyn $crate::object::Object, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::object::deserialize(deserializer)
            }
        }
    };
}

/// How the payload of an event type is read when it is an [`Object`].
macro_rules! reading {
    () => {
        fn read(json: &str) -> serde_json::Result<(Self, usize)> {
            $crate::object::read(json)
        }

        fn drift(&self) -> Vec<String> {
            $crate::Object::unlisted(self)
        }
    };
}

pub(crate) use {object, reading};
