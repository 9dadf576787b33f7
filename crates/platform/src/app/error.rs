//! What can be wrong with an app's configuration.

use larkspur_store::AppKind;
use larkspur_wire::{AppId, EventType, Scope};

use crate::gate::quoted;

/// An app cannot be made or changed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// No app has this id.
    #[error("no app has the id `{0}`")]
    Unknown(AppId),
    /// The id is taken.
    #[error("an app with the id `{0}` exists already")]
    Exists(AppId),
    /// The name is missing or too long.
    #[error("the name has {chars} characters")]
    Name {
        /// How many it has.
        chars: usize,
    },
    /// Too many tenants.
    #[error("{found} tenants were given, and the app may have {tenants_max}")]
    Tenants {
        /// How many were given.
        found: usize,
        /// How many it may have.
        tenants_max: usize,
    },
    /// The ladder of retries is too long.
    #[error("{found} retries were given, and an app may have {retries_max}")]
    Retries {
        /// How many were given.
        found: usize,
        /// How many it may have.
        retries_max: usize,
    },
    /// A secret is too short or too long.
    #[error("`{member}` has {chars} characters")]
    SecretLength {
        /// Which secret.
        member: &'static str,
        /// How many characters it has.
        chars: usize,
        /// The least it may have.
        chars_min: usize,
        /// The most it may have.
        chars_max: usize,
    },
    /// The scope is not in the catalogue.
    #[error("the scope `{scope}` does not exist")]
    UnknownScope {
        /// What was asked for.
        scope: Scope,
    },
    /// Apps of this kind cannot hold the scope.
    #[error("a {} app cannot hold the scope `{scope}`", kind_word(*kind))]
    ScopeNotHoldable {
        /// What was asked for.
        scope: Scope,
        /// The app's kind.
        kind: AppKind,
    },
    /// The event type is not in the catalogue.
    #[error("the event type `{event_type}` does not exist")]
    UnknownType {
        /// What was asked for.
        event_type: EventType,
        /// Where it was asked for, `events.types` or `callbacks.types`.
        path: &'static str,
        /// The closest name there is.
        suggestion: Option<String>,
    },
    /// It is a callback, and was put among the events.
    #[error("`{event_type}` is a callback, not an event")]
    IsCallback {
        /// What was asked for.
        event_type: EventType,
    },
    /// Apps of this kind cannot subscribe to the type.
    #[error("a {} app cannot subscribe to `{event_type}`", kind_word(*kind))]
    TypeNotAllowed {
        /// What was asked for.
        event_type: EventType,
        /// The app's kind.
        kind: AppKind,
    },
    /// The app holds none of the scopes that the type needs.
    #[error(
        "subscribing to `{event_type}` needs one of {}, and the app holds none of them",
        quoted(scopes)
    )]
    MissingScope {
        /// What was asked for.
        event_type: EventType,
        /// Any one of these would do.
        scopes: Vec<String>,
    },
    /// No official page confirms the type, and the platform was set to refuse such types.
    #[error("no official page confirms `{event_type}`")]
    Unverified {
        /// What was asked for.
        event_type: EventType,
    },
    /// Store apps receive by webhook only.
    #[error("a store app cannot use the persistent connection")]
    StoreAppConnection {
        /// Where it was asked for.
        path: &'static str,
    },
}

fn kind_word(kind: AppKind) -> &'static str {
    match kind {
        AppKind::Custom => "custom",
        AppKind::Store => "store",
    }
}

impl AppError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_app",
            Self::Exists(_) => "app_exists",
            Self::Name { .. } => "bad_name",
            Self::Tenants { .. } => "too_many_tenants",
            Self::Retries { .. } => "too_many_retries",
            Self::SecretLength { .. } => "bad_secret_length",
            Self::UnknownScope { .. } => "unknown_scope",
            Self::ScopeNotHoldable { .. } => "scope_not_holdable",
            Self::UnknownType { .. } => "unknown_event_type",
            Self::IsCallback { .. } => "is_callback",
            Self::TypeNotAllowed { .. } => "app_type_not_allowed",
            Self::MissingScope { .. } => "missing_scope",
            Self::Unverified { .. } => "unverified_event_type",
            Self::StoreAppConnection { .. } => "store_app_connection",
        }
    }

    /// The member of the request that is at fault.
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Self::Unknown(_) | Self::Exists(_) => Some("app_id"),
            Self::Name { .. } => Some("name"),
            Self::Tenants { .. } => Some("tenants"),
            Self::Retries { .. } => Some("delivery.retry_seconds"),
            Self::SecretLength { member, .. } => Some(member),
            Self::UnknownScope { .. } | Self::ScopeNotHoldable { .. } => Some("scopes"),
            Self::IsCallback { .. }
            | Self::TypeNotAllowed { .. }
            | Self::MissingScope { .. }
            | Self::Unverified { .. } => Some("events.types"),
            Self::UnknownType { path, .. } | Self::StoreAppConnection { path } => Some(path),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "list the apps to see their ids".to_owned(),
            Self::Exists(_) => "change that app, or leave the id out to get a new one".to_owned(),
            Self::Name { .. } => "give a name of 1 to 100 characters".to_owned(),
            Self::Tenants { tenants_max: 1, .. } => {
                "a custom app belongs to one tenant; make a store app to serve many".to_owned()
            }
            Self::Tenants { tenants_max: max, .. } | Self::Retries { retries_max: max, .. } => {
                format!("give at most {max}")
            }
            Self::SecretLength {
                chars_min, chars_max, ..
            } => format!("give {chars_min} to {chars_max} characters"),
            Self::UnknownScope { .. } => "see `larkspur event show` for the scopes an event type takes".to_owned(),
            Self::ScopeNotHoldable { .. } | Self::TypeNotAllowed { .. } => "use an app of the other kind".to_owned(),
            Self::UnknownType {
                suggestion: Some(name), ..
            } => format!("did you mean `{name}`?"),
            Self::UnknownType { suggestion: None, .. } => "see `larkspur event list` for what exists".to_owned(),
            Self::IsCallback { .. } => "subscribe to it in `callbacks.types`".to_owned(),
            Self::MissingScope { .. } => "add one of them to the app's scopes in the same request".to_owned(),
            Self::Unverified { .. } => "set `assumptions.unverified_types = \"accept\"` to allow it".to_owned(),
            Self::StoreAppConnection { .. } => "set the mode to `webhook` and give a request URL".to_owned(),
        }
    }
}
