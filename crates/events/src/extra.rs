//! What a struct keeps beside its fields.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde_json::{Map, Value};

/// The members of an object that have no place in the struct's fields.
///
/// It is used as the map that it holds: members that the catalogue does not list, and those whose type does not fit
/// their field. It also remembers which listed members were `null`, so that they are written again.
///
/// ```
/// # let event = larkspur_events::Extra::default();
/// if let Some(grade) = event.get("grade") {
///     println!("not in the catalogue yet: {grade}");
/// }
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Extra {
    members: Map<String, Value>,
    nulls: Vec<&'static str>,
}

impl Extra {
    pub(crate) fn read(members: Map<String, Value>, nulls: Vec<&'static str>) -> Self {
        Self { members, nulls }
    }

    pub(crate) fn was_null(&self, name: &str) -> bool {
        self.nulls.contains(&name)
    }
}

impl Deref for Extra {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.members
    }
}

impl DerefMut for Extra {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.members
    }
}

impl From<Map<String, Value>> for Extra {
    fn from(members: Map<String, Value>) -> Self {
        Self {
            members,
            nulls: Vec::new(),
        }
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.members).finish()
    }
}
