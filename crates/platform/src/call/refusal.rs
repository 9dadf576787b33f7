//! Why nobody was called.

use larkspur_wire::{AppId, EventType};

use crate::gate::{Gate, Refusal};
use crate::publication::PublishError;

/// More ids than this help nobody to choose.
const NAMED_MAX: usize = 5;

/// A call that is not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallRefusal {
    /// The request is wrong.
    #[error(transparent)]
    Request(#[from] PublishError),
    /// The type is an event.
    #[error("`{event_type}` is an event, not a callback")]
    IsEvent {
        /// What was asked for.
        event_type: EventType,
    },
    /// The catalogue does not know the callback.
    #[error("the callback `{event_type}` does not exist")]
    UnknownCallback {
        /// What was asked for.
        event_type: EventType,
        /// The closest name there is.
        suggestion: Option<String>,
    },
    /// The app that was named, or that came closest, does not pass a gate.
    #[error("app `{app_id}` does not get `{event_type}`: {}", refusal.reason)]
    Gate {
        /// What was asked for.
        event_type: EventType,
        /// The app.
        app_id: AppId,
        /// The gate, and what would open it.
        refusal: Refusal,
    },
    /// There is no app at all.
    #[error("there is no app that could answer `{event_type}`")]
    NoApp {
        /// What was asked for.
        event_type: EventType,
    },
    /// Several apps would answer.
    #[error("{} apps would answer `{event_type}`, and nothing says which: {}", apps.len(), first(apps))]
    Ambiguous {
        /// What was asked for.
        event_type: EventType,
        /// All of them, in order of id.
        apps: Vec<AppId>,
    },
}

fn first(apps: &[AppId]) -> String {
    let named: Vec<_> = apps.iter().take(NAMED_MAX).map(|id| format!("`{id}`")).collect();
    let more = if apps.len() > NAMED_MAX { ", …" } else { "" };
    named.join(", ") + more
}

impl CallRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => error.code(),
            Self::IsEvent { .. } => "is_event",
            Self::UnknownCallback { .. } => "unknown_callback",
            Self::Gate { refusal, .. } => match refusal.gate {
                Gate::Audience => "not_addressed",
                Gate::AppType => "app_type_not_allowed",
                Gate::Installed => "not_installed",
                Gate::Published => "not_published",
                Gate::Subscribed | Gate::ResourceSubscription => "not_subscribed",
                Gate::Scope => "missing_scope",
            },
            Self::NoApp { .. } => "no_app",
            Self::Ambiguous { .. } => "ambiguous_app",
        }
    }

    /// The member of the request that is at fault; the payload's own paths are in the errors.
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Self::Request(error) => error.path(),
            Self::IsEvent { .. } | Self::UnknownCallback { .. } => Some("event_type"),
            Self::Ambiguous { .. } => Some("app_id"),
            Self::Gate { .. } | Self::NoApp { .. } => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Request(PublishError::Malformed { .. }) => {
                "send {\"event_type\", \"event\", \"tenant_key\"?, \"app_id\"?}".to_owned()
            }
            Self::Request(error) => error.hint(),
            Self::IsEvent { .. } => "publish it with POST /api/v1/events".to_owned(),
            Self::UnknownCallback {
                suggestion: Some(name), ..
            } => format!("did you mean `{name}`?"),
            Self::UnknownCallback { suggestion: None, .. } => {
                "there are `card.action.trigger`, `url.preview.get` and `profile.view.get`".to_owned()
            }
            Self::Gate { refusal, .. } => refusal.fix.clone(),
            Self::NoApp { .. } => "make an app that subscribes to the callback".to_owned(),
            Self::Ambiguous { .. } => "add `app_id`".to_owned(),
        }
    }
}
