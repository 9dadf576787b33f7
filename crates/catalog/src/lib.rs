//! The catalogue: which event types and callbacks exist, with their fields, scopes, app types and examples.
//!
//! The facts are data, one file a type, under `catalog/` at the root of the repository, and are embedded here. A new
//! event type is a new file and no Rust. [`Catalog::embedded`] has them all; [`EventTypeFacts::validate`] holds a
//! payload against them.

mod catalog;
mod facts;
mod field;
mod fit;
mod sample;
mod scope;
mod validate;

pub use catalog::{Catalog, CatalogError, matches};
pub use facts::{Addressed, EventTypeFacts, Kind, Reference, Schema, ScopeRule, SubscribeApi};
pub use field::{Field, FieldType};
pub use scope::{AppType, Scope};
pub use validate::PayloadError;
