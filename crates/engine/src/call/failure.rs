//! Why a callback has no answer.

use std::time::Duration;

use larkspur_platform::{CallRefusal, Gate};
use larkspur_wire::{AppId, EventType};

/// A callback without an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No app was asked.
    #[error(transparent)]
    Refused(#[from] CallRefusal),
    /// Too many calls are under way.
    #[error("{calls_max} calls are under way already")]
    Busy {
        /// How many there may be.
        calls_max: usize,
    },
    /// The app was asked.
    #[error("app `{app_id}` did not answer `{event_type}`: {failure}")]
    Failed {
        /// What was asked.
        event_type: EventType,
        /// Who was asked.
        app_id: AppId,
        /// What went wrong.
        failure: CallFailure,
    },
}

/// Why an app that was asked did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// It receives callbacks over a persistent connection, and holds none.
    #[error("it has no live persistent connection")]
    NotOnline,
    /// Its request URL for callbacks cannot be used.
    #[error("its request URL for callbacks cannot be used: {why}")]
    BadUrl {
        /// What is wrong with it.
        why: String,
    },
    /// The name in its URL has no address.
    #[error("{why}")]
    Unresolved {
        /// What the resolver says.
        why: String,
    },
    /// Nothing answers at its address, or it may not be reached.
    #[error("{why}")]
    Unreachable {
        /// What connecting came to.
        why: String,
    },
    /// The request got lost on a connection that stood.
    #[error("{why}")]
    Exchange {
        /// What happened.
        why: String,
    },
    /// No whole answer came in time.
    #[error("no answer within {} ms", .after.as_millis())]
    TimedOut {
        /// How long it had.
        after: Duration,
    },
    /// Its endpoint answered another status than 200.
    #[error("its endpoint answered status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// Its client acknowledged with another code than 200.
    #[error("its client acknowledged with code {code}")]
    Code {
        /// The code.
        code: i64,
    },
    /// The answer is too long.
    #[error("its answer is longer than {bytes_max} bytes")]
    TooLarge {
        /// How long it may be.
        bytes_max: usize,
    },
    /// What came is no answer to a callback.
    #[error("{detail}")]
    NotAnAnswer {
        /// What is wrong with it.
        detail: String,
    },
}

impl CallError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Busy { .. } => "too_many_calls",
            Self::Failed { failure, .. } => failure.code(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::Busy { .. } => "call again when others have ended".to_owned(),
            Self::Failed { failure, .. } => failure.hint().to_owned(),
        }
    }

    /// The code that Feishu's clients show to who tapped the card, where one is documented.
    pub fn feishu_code(&self) -> Option<u32> {
        match self {
            Self::Refused(CallRefusal::Gate {
                event_type, refusal, ..
            }) if is_card(event_type) && refusal.gate == Gate::Subscribed => Some(NO_URL),
            Self::Failed {
                event_type, failure, ..
            } if is_card(event_type) => failure.feishu_code(),
            _ => None,
        }
    }
}

/// The codes are documented for cards alone.
fn is_card(event_type: &EventType) -> bool {
    event_type.as_str().starts_with("card.")
}

/// No request URL for callbacks, or none that can be used.
const NO_URL: u32 = 200_340;

impl CallFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::NotOnline => "app_not_online",
            Self::BadUrl { .. } => "bad_url",
            Self::Unresolved { .. } => "host_not_resolved",
            Self::Unreachable { .. } => "app_unreachable",
            Self::Exchange { .. } => "exchange_failed",
            Self::TimedOut { .. } => "app_timed_out",
            Self::Status { .. } | Self::Code { .. } => "app_failed",
            Self::TooLarge { .. } => "answer_too_large",
            Self::NotAnAnswer { .. } => "answer_not_understood",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NotOnline => "start a client of the app that holds a persistent connection",
            Self::BadUrl { .. } => "set the app's request URL for callbacks",
            Self::Unresolved { .. } => "check the host in the app's request URL for callbacks",
            Self::Unreachable { .. } => "start the app's endpoint, or correct its request URL for callbacks",
            Self::Exchange { .. } => "see the log of the app",
            Self::TimedOut { .. } => {
                "answer first and work later: the card can be changed for half an hour with the callback's `token`"
            }
            Self::Status { .. } | Self::Code { .. } => {
                "see the log of the app: its handler failed, it has none for this callback, or its key or token is wrong"
            }
            Self::TooLarge { .. } => "answer less, or raise `delivery.answer_bytes_max`",
            Self::NotAnAnswer { .. } => {
                "answer a JSON object such as {\"toast\":{\"type\":\"info\",\"content\":\"…\"}}, or nothing; text often \
                 means that no handler is registered"
            }
        }
    }

    fn feishu_code(&self) -> Option<u32> {
        match self {
            Self::NotOnline => None,
            Self::BadUrl { .. } => Some(NO_URL),
            Self::TimedOut { .. } => Some(200_341),
            Self::Unreachable { .. } => Some(200_342),
            Self::Unresolved { .. } => Some(200_343),
            Self::Exchange { .. } => Some(200_080),
            Self::Status { .. } | Self::Code { .. } => Some(200_671),
            Self::TooLarge { .. } | Self::NotAnAnswer { .. } => Some(200_672),
        }
    }
}
