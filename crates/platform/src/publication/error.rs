//! Why an event was not taken.

use larkspur_catalog::PayloadError;
use larkspur_wire::{AppId, EventId, EventType};

/// A publication that is refused; nothing of it was kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It is not a publication in JSON.
    #[error("the body is not a publication: {detail}")]
    Malformed {
        /// What the parser found, with line and column.
        detail: String,
    },
    /// It is larger than one event may be.
    #[error("the event has {bytes} bytes")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The request carries more events than one may.
    #[error("the request carries more than {events_max} events")]
    TooMany {
        /// How many it may carry.
        events_max: usize,
    },
    /// The creation time is not a number of milliseconds.
    #[error("the creation time `{found}` is not a number of milliseconds")]
    CreateTime {
        /// What was given.
        found: String,
    },
    /// The catalogue does not know the type.
    #[error("the event type `{event_type}` does not exist")]
    UnknownType {
        /// What was asked for.
        event_type: EventType,
        /// The closest name there is.
        suggestion: Option<String>,
    },
    /// It is a callback, which is asked and not published.
    #[error("`{event_type}` is a callback, not an event")]
    IsCallback {
        /// What was asked for.
        event_type: EventType,
    },
    /// No official page confirms the type, and the platform was set to refuse such types.
    #[error("no official page confirms `{event_type}`")]
    Unverified {
        /// What was asked for.
        event_type: EventType,
    },
    /// The payload does not fit the type.
    #[error("the payload does not fit `{event_type}`: {}", first(errors))]
    Payload {
        /// What was published.
        event_type: EventType,
        /// What does not fit, at most 20.
        errors: Vec<PayloadError>,
    },
    /// No tenant was named, and there is no default one.
    #[error("no tenant is named")]
    NoTenant,
    /// The app named does not exist.
    #[error("no app has the id `{app_id}`")]
    UnknownApp {
        /// What was named.
        app_id: AppId,
    },
    /// The type is for one app, and nothing says which.
    #[error("`{event_type}` is for one app only, and nothing says which")]
    NotAddressed {
        /// What was published.
        event_type: EventType,
        /// What the payload names, as `kind/id`.
        named: Vec<String>,
    },
    /// What the payload names belongs to another app than the one named.
    #[error("`{named}` is bound to `{bound}`, not to `{given}`")]
    Misaddressed {
        /// What the payload names, as `kind/id`.
        named: String,
        /// The app it is bound to.
        bound: AppId,
        /// The app that was named, or that something else in the payload is bound to.
        given: AppId,
    },
    /// The event id was used for another event.
    #[error("the event id `{event_id}` was used for a different event")]
    Conflict {
        /// The id.
        event_id: EventId,
    },
}

fn first(errors: &[PayloadError]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

impl PublishError {
    pub(crate) fn malformed(error: serde_json::Error) -> Self {
        Self::Malformed {
            detail: error.to_string(),
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "event_too_large",
            Self::TooMany { .. } => "too_many_events",
            Self::CreateTime { .. } => "bad_create_time",
            Self::UnknownType { .. } => "unknown_event_type",
            Self::IsCallback { .. } => "is_callback",
            Self::Unverified { .. } => "unverified_event_type",
            Self::Payload { .. } => "payload_mismatch",
            Self::NoTenant => "no_tenant",
            Self::UnknownApp { .. } => "unknown_app",
            Self::NotAddressed { .. } => "not_addressed",
            Self::Misaddressed { .. } => "misaddressed",
            Self::Conflict { .. } => "event_id_conflict",
        }
    }

    /// The member of the publication that is at fault; the payload's own paths are in the errors.
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Self::Malformed { .. } | Self::TooLarge { .. } | Self::TooMany { .. } => None,
            Self::CreateTime { .. } => Some("create_time"),
            Self::UnknownType { .. } | Self::IsCallback { .. } | Self::Unverified { .. } => Some("event_type"),
            Self::Payload { .. } => Some("event"),
            Self::NoTenant => Some("tenant_key"),
            Self::UnknownApp { .. } | Self::NotAddressed { .. } | Self::Misaddressed { .. } => Some("app_id"),
            Self::Conflict { .. } => Some("event_id"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed { .. } => {
                "send {\"event_type\", \"event\", \"tenant_key\"?, \"event_id\"?, \"app_id\"?, \"create_time\"?}"
                    .to_owned()
            }
            Self::TooLarge { bytes_max, .. } => {
                format!("send at most {bytes_max} bytes, or raise `publish.event_bytes_max`")
            }
            Self::TooMany { events_max } => format!("send at most {events_max} events a request"),
            Self::CreateTime { .. } => "give milliseconds since 1970".to_owned(),
            Self::UnknownType {
                suggestion: Some(name), ..
            } => format!("did you mean `{name}`?"),
            Self::UnknownType { suggestion: None, .. } => "see `larkspur event list` for what exists".to_owned(),
            Self::IsCallback { .. } => "send it to POST /api/v1/callbacks".to_owned(),
            Self::Unverified { .. } => "set `assumptions.unverified_types = \"accept\"` to allow it".to_owned(),
            Self::Payload { event_type, .. } => format!("see `larkspur event sample {event_type}` for one that fits"),
            Self::NoTenant => "add `tenant_key`, or set `publish.default_tenant`".to_owned(),
            Self::UnknownApp { .. } => "list the apps to see their ids".to_owned(),
            Self::NotAddressed { named, .. } if named.is_empty() => "add `app_id`".to_owned(),
            Self::NotAddressed { named, .. } => format!("add `app_id`, or bind {} to an app", named.join(" or ")),
            Self::Misaddressed { .. } => "name that app, or change the binding".to_owned(),
            Self::Conflict { .. } => "give every event an id of its own".to_owned(),
        }
    }
}
