//! Scopes: the permissions an app may hold.

use serde::{Deserialize, Serialize};

/// Who may install an app, as the catalogue spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppType {
    /// Built by one company for itself.
    Custom,
    /// Published in the app directory.
    Store,
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name, for example `contact:user.employee_id:readonly`.
    pub name: String,
    /// The app types that may hold it; `None` when that is not documented.
    pub app_types: Option<Vec<AppType>>,
    /// Whether new apps cannot ask for it any more.
    pub retired: bool,
}

impl Scope {
    /// Whether apps of this type may hold it; what is not documented is allowed.
    pub fn holdable_by(&self, app_type: AppType) -> bool {
        self.app_types.as_ref().is_none_or(|types| types.contains(&app_type))
    }
}

/// A scope as the data file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeData {
    app_types: Option<Vec<AppType>>,
    #[serde(default)]
    tags: Vec<String>,
}

impl ScopeData {
    pub(crate) fn named(self, name: String) -> Scope {
        Scope {
            name,
            app_types: self.app_types,
            retired: self.tags.iter().any(|tag| tag == "offline"),
        }
    }
}
