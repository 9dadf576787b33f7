//! The structs and enums of one module: equal objects share one unless they are documented differently, and each has a
//! name of its own.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;

use super::names;
use super::tree::{Kind, Members, structure};

/// Names that the generated files use for something else.
const RESERVED: [&str; 11] = [
    "BTreeMap",
    "EventType",
    "Extra",
    "Map",
    "Member",
    "Object",
    "Option",
    "Part",
    "Schema",
    "String",
    "Value",
];

/// What one generated file holds.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Events first, then the objects in them, each before those inside it.
    pub(super) structs: Vec<Struct>,
    pub(super) enums: Vec<Enum>,
    by_structure: BTreeMap<String, Vec<usize>>,
}

#[derive(Debug, Default)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) docs: Vec<String>,
    pub(super) fields: Vec<StructField>,
    pub(super) event: Option<Event>,
    /// Where it was met first: the struct and its field.
    owner: Option<(usize, String)>,
    /// What the SDKs call it.
    objects: BTreeSet<String>,
}

/// What makes a struct the payload of an event type.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) key: String,
    /// `V1` or `V2`.
    pub(super) schema: &'static str,
    /// The struct that answers a callback.
    pub(super) reply: Option<usize>,
}

#[derive(Debug)]
pub(super) struct StructField {
    /// The names of the member, the one to write first.
    pub(super) names: Vec<String>,
    pub(super) doc: Option<String>,
    pub(super) values: BTreeMap<String, String>,
    pub(super) rust_type: RustType,
}

/// The type of a struct's field.
#[derive(Debug)]
pub(super) enum RustType {
    /// Written as it is.
    Plain(&'static str),
    /// An enum.
    Enum(usize),
    /// A struct.
    Struct(usize),
    List(Box<RustType>),
    Map(Box<RustType>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Enum {
    pub(super) name: String,
    /// `String` or `i64`.
    pub(super) base: &'static str,
    pub(super) values: BTreeMap<String, String>,
}

impl Module {
    /// Adds a struct that is no other's; the objects in it are added when the names are given.
    pub(super) fn add_root(&mut self, name: String, members: &Members) -> usize {
        let idx = self.structs.len();
        self.structs.push(Struct {
            name,
            ..Struct::default()
        });
        self.fill(idx, members);
        idx
    }

    /// The names of everything in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let enums = self.enums.iter().map(|values| values.name.as_str());
        self.structs.iter().map(|object| object.name.as_str()).chain(enums)
    }

    fn fill(&mut self, idx: usize, members: &Members) {
        for node in members {
            let name = node.name.as_str();
            let rust_type = self.rust_type(&node.kind, (idx, name), node.object.as_deref());
            let known = self.structs[idx].fields.iter_mut().find(|field| field.names[0] == name);
            match known {
                // One source documents what another leaves out.
                Some(field) => {
                    field.doc = field.doc.take().or_else(|| node.doc.clone());
                    field.values.extend(node.values.clone());
                }
                None => self.structs[idx].fields.push(StructField {
                    names: [&node.name].into_iter().chain(&node.others).cloned().collect(),
                    doc: node.doc.clone(),
                    values: node.values.clone(),
                    rust_type,
                }),
            }
        }
    }

    fn rust_type(&mut self, kind: &Kind, owner: (usize, &str), object: Option<&str>) -> RustType {
        let mut inner = |kind| Box::new(self.rust_type(kind, owner, object));
        match kind {
            Kind::String => RustType::Plain("String"),
            Kind::Int => RustType::Plain("i64"),
            Kind::Float => RustType::Plain("f64"),
            Kind::Bool => RustType::Plain("bool"),
            Kind::Any => RustType::Plain("Value"),
            Kind::List(item) => {
                let item_name = names::singular(owner.1);
                RustType::List(Box::new(self.rust_type(item, (owner.0, item_name), object)))
            }
            Kind::Map(item) if matches!(**item, Kind::Any) => RustType::Plain("Map<String, Value>"),
            Kind::Map(item) => RustType::Map(inner(item)),
            Kind::Object(members) if members.is_empty() => RustType::Plain("Map<String, Value>"),
            Kind::Object(members) => RustType::Struct(self.object(members, owner, object)),
        }
    }

    fn object(&mut self, members: &Members, owner: (usize, &str), object: Option<&str>) -> usize {
        let next = self.structs.len();
        let equal = self.by_structure.entry(structure(members)).or_default();
        let agreeing = equal.iter().find(|idx| self.structs[**idx].agrees_with(members));
        let idx = agreeing.copied().unwrap_or(next);
        if idx == next {
            equal.push(next);
            let owner = Some((owner.0, owner.1.to_owned()));
            self.structs.push(Struct {
                owner,
                ..Struct::default()
            });
        }
        self.structs[idx].objects.extend(object.map(names::bare));
        self.fill(idx, members);
        idx
    }

    /// Names all structs and makes the enums.
    pub(super) fn name_all(&mut self) -> anyhow::Result<()> {
        let mut taken: BTreeSet<String> = RESERVED.map(str::to_owned).into();
        for root in self.structs.iter().filter(|root| root.owner.is_none()) {
            ensure!(
                taken.insert(root.name.clone()),
                "two event types of one module are called `{}`",
                root.name
            );
        }
        for idx in 0..self.structs.len() {
            let object = &self.structs[idx];
            let Some((owner, field)) = &object.owner else { continue };
            let owner = self.structs[*owner].name.as_str();
            let qualified = [names::bare(owner), owner.to_owned()].map(|owner| owner + &names::pascal(field));
            let name = names::common(&object.objects).into_iter().chain(qualified);
            self.structs[idx].name = free(&mut taken, name.collect());
        }
        let mut known: BTreeMap<Enum, usize> = BTreeMap::new();
        for object in &mut self.structs {
            for field in object.fields.iter_mut().filter(|field| !field.values.is_empty()) {
                let RustType::Plain(base @ ("String" | "i64")) = *field.rust_type.innermost() else {
                    continue;
                };
                let is_list = matches!(field.rust_type, RustType::List(_));
                let name = if is_list {
                    names::singular(&field.names[0])
                } else {
                    &field.names[0]
                };
                let owners = [names::bare(&object.name), object.name.clone()];
                let qualified = owners.map(|owner| owner + &names::pascal(name));
                // One word says too little: `Status` of what?
                let short = Some(names::pascal(name)).filter(|_| names::words(name).len() > 1);
                let candidates: Vec<String> = short.into_iter().chain(qualified).collect();
                let wanted = Enum {
                    name: candidates[0].clone(),
                    base,
                    values: field.values.clone(),
                };
                let idx = *known.entry(wanted).or_insert_with(|| {
                    let name = free(&mut taken, candidates);
                    self.enums.push(Enum {
                        name,
                        base,
                        values: field.values.clone(),
                    });
                    self.enums.len() - 1
                });
                *field.rust_type.innermost() = RustType::Enum(idx);
            }
        }
        Ok(())
    }
}

impl Struct {
    /// Whether the documentation of its fields, as far as it goes, suits these members too.
    fn agrees_with(&self, members: &Members) -> bool {
        self.fields.iter().all(|field| {
            let member = members.iter().find(|node| node.name == field.names[0]);
            let doc = member.and_then(|node| node.doc.as_ref());
            field.doc.is_none() || doc.is_none() || field.doc.as_ref() == doc
        })
    }
}

impl RustType {
    fn innermost(&mut self) -> &mut Self {
        match self {
            Self::List(item) | Self::Map(item) => item.innermost(),
            other => other,
        }
    }
}

/// The first of the names that is free, or the last with a number behind.
fn free(taken: &mut BTreeSet<String>, names: Vec<String>) -> String {
    let last = names.last().cloned().unwrap_or_default();
    let mut candidates = names.into_iter().chain((2..).map(|number| format!("{last}{number}")));
    let name = candidates
        .find(|name| !taken.contains(name))
        .expect("there are as many as there are numbers");
    taken.insert(name.clone());
    name
}
