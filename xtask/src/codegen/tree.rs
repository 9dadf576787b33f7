//! The flat list of fields of the catalogue as a tree.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use larkspur_catalog::{Field, FieldType};

/// The members of one object.
pub(super) type Members = Vec<Node>;

/// One member of an object.
#[derive(Debug)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// Other spellings of its name.
    pub(super) others: Vec<String>,
    pub(super) kind: Kind,
    pub(super) doc: Option<String>,
    /// What the SDKs call the object.
    pub(super) object: Option<String>,
    /// The values of an enum, with their names; empty when it is none.
    pub(super) values: BTreeMap<String, String>,
}

/// The type of a member.
#[derive(Debug)]
pub(super) enum Kind {
    String,
    Int,
    Float,
    Bool,
    Any,
    Object(Members),
    List(Box<Kind>),
    Map(Box<Kind>),
}

/// Builds the tree. Fields about which sources contradict each other are [`Kind::Any`], without the fields below them.
pub(super) fn tree(fields: &[Field]) -> anyhow::Result<Members> {
    let mut root = Members::new();
    for field in fields {
        insert(&mut root, field).with_context(|| format!("the field `{}` has no place", field.path))?;
    }
    Ok(root)
}

fn insert(mut members: &mut Members, field: &Field) -> anyhow::Result<()> {
    let (parents, name) = match field.path.rsplit_once('.') {
        Some((parents, name)) => (parents.split('.').collect(), name),
        None => (Vec::new(), field.path.as_str()),
    };
    for parent in parents {
        let parent = parent.trim_end_matches("[]");
        let node = members
            .iter_mut()
            .find(|node| node.name == parent)
            .context("its parent is not listed before it")?;
        match node.kind.innermost() {
            Kind::Object(below) => members = below,
            Kind::Any => return Ok(()),
            _ => bail!("its parent is not an object"),
        }
    }
    if let Some(listed) = &field.spelling_of {
        let node = members
            .iter_mut()
            .find(|node| node.name == *listed)
            .context("it spells a field that is not there")?;
        node.others.push(name.to_owned());
        return Ok(());
    }
    if members.iter().any(|node| node.name == name) {
        bail!("it is listed twice");
    }
    members.push(Node {
        name: name.to_owned(),
        others: Vec::new(),
        kind: if field.wire_ambiguous {
            Kind::Any
        } else {
            Kind::of(&field.field_type)
        },
        doc: field.doc.clone(),
        object: field.object.clone(),
        values: if field.wire_ambiguous {
            BTreeMap::new()
        } else {
            field.values.clone()
        },
    });
    Ok(())
}

impl Kind {
    fn of(field_type: &FieldType) -> Self {
        match field_type {
            FieldType::String => Self::String,
            FieldType::Int => Self::Int,
            FieldType::Float => Self::Float,
            FieldType::Bool => Self::Bool,
            FieldType::Any => Self::Any,
            FieldType::Object => Self::Object(Members::new()),
            FieldType::List(item) => Self::List(Box::new(Self::of(item))),
            FieldType::Map(item) => Self::Map(Box::new(Self::of(item))),
        }
    }

    /// What stands in the lists and maps.
    pub(super) fn innermost(&mut self) -> &mut Self {
        match self {
            Self::List(item) | Self::Map(item) => item.innermost(),
            other => other,
        }
    }

    fn sign(&self, signature: &mut String) {
        match self {
            Self::List(item) => {
                signature.push('[');
                item.sign(signature);
            }
            Self::Map(item) => {
                signature.push('<');
                item.sign(signature);
            }
            Self::Object(members) => signature.push_str(&structure(members)),
            scalar => write!(signature, "{scalar:?}").expect("a String takes all"),
        }
    }
}

/// A text that is equal for objects of equal structure: the names and types of all members at every level.
///
/// Paths are finite, so that an object can hold others of its own structure nowhere, and structs never recur.
pub(super) fn structure(members: &Members) -> String {
    let mut signed: Vec<String> = members
        .iter()
        .map(|node| {
            let mut signature = format!("{}{}:", node.name, node.others.concat());
            node.kind.sign(&mut signature);
            signature
        })
        .collect();
    signed.sort();
    format!("{{{}}}", signed.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Vec<Field> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn objects_of_equal_structure_are_equal_in_any_order() {
        let tree = tree(&fields(
            r#"[["a", "object"], ["a.x", "int"], ["a.y", "string"], ["b", "list<object>"], ["b[].y", "string"], ["b[].x", "int"]]"#,
        ))
        .unwrap();
        let [
            Node {
                kind: Kind::Object(a), ..
            },
            Node {
                kind: Kind::List(items),
                ..
            },
        ] = &tree[..]
        else {
            panic!("{tree:?}")
        };
        let Kind::Object(b) = &**items else { panic!("{items:?}") };
        assert_eq!(structure(a), structure(b));
    }

    #[test]
    fn a_field_that_sources_contradict_each_other_about_has_none_below() {
        let tree = tree(&fields(
            r#"[["a", "object", {"wire_ambiguous": true}], ["a.x", "int"]]"#,
        ))
        .unwrap();
        assert!(matches!(tree[..], [Node { kind: Kind::Any, .. }]));
    }

    #[test]
    fn a_field_without_its_parent_is_refused() {
        let error = tree(&fields(r#"[["a.x", "int"]]"#)).unwrap_err();
        assert_eq!(error.to_string(), "the field `a.x` has no place");
    }
}
