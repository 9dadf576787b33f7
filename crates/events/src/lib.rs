//! Typed structs for the event types and callbacks of Feishu and Lark, generated from the catalogue.
//!
//! Each domain is a module and a cargo feature of the same name, with a module for each version:
//! `larkspur_events::hire::v1::EcoExamCreatedV1` is `hire.eco_exam.created_v1`, and `larkspur_events::hire` has it too.
//! The feature `all` turns every domain on; none is on by default, because a subscriber needs few of them.
//!
//! # How structs are read
//!
//! No source says which members of a payload are always there, and several contradict themselves, so that reading
//! fails on nothing but a payload that is no JSON object:
//!
//! * Every field is an `Option`. A member that is not there, or is `null`, is `None`.
//! * Members that the catalogue does not list are kept in the struct's `extra`, at every level ([`Extra`]).
//! * Enums have an arm for values that the catalogue does not list.
//! * A number where text is expected is taken as its text, and the text of a number where a number is expected as the
//!   number. It is written as the catalogue has it.
//! * A member that has two spellings is read from either, and written in the first.
//! * A member of any other type is kept in `extra` under its own name, and the field is `None`.
//! * Fields about which the sources contradict each other are a [`serde_json::Value`].
//!
//! Writing gives back all that was read, `null` included; only those two change their form.
//!
//! ```
//! use larkspur_events::{EventType, Object, hire};
//!
//! let json = r#"{ "exam_id": "7160", "candidate_info": { "email": null }, "grade": 3 }"#;
//! let event: hire::EcoExamCreatedV1 = serde_json::from_str(json)?;
//! assert_eq!(event.exam_id.as_deref(), Some("7160"));
//! assert_eq!(event.unlisted(), ["grade"]);
//! println!("{}", event.pretty());
//! # Ok::<(), serde_json::Error>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod event_type;
mod extra;
#[allow(
    missing_docs,
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "made from the catalogue"
)]
#[allow(
    clippy::enum_variant_names,
    clippy::struct_field_names,
    reason = "the names are the catalogue's"
)]
mod generated;
mod node;
#[cfg_attr(not(feature = "all"), allow(unused, reason = "not every domain needs all of it"))]
mod object;
#[cfg_attr(not(feature = "all"), allow(unused, reason = "not every domain has enums"))]
mod open_enum;
mod part;

pub use event_type::{EventType, Schema};
pub use extra::Extra;
#[allow(unused_imports, unreachable_pub, reason = "without a feature there is no domain")]
pub use generated::*;
pub use object::Object;

#[doc(hidden)]
pub use node::{Members, Node};
#[doc(hidden)]
pub use part::{Member, Names, Part, Written};

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macros make structs and enums for users")]
mod tests;
