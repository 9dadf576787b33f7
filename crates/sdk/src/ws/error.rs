//! Why a client gave up.

use super::trouble::Trouble;
use crate::router::RouterError;

/// Why a client gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The router is wrong.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The certificates cannot be used.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// The platform refuses the app, and trying again would not help.
    #[error("{reason}; {fix}")]
    Refused {
        /// The platform's code.
        code: i64,
        /// The platform's words, and what they mean.
        reason: String,
        /// What to do about it.
        fix: String,
    },
    /// The platform allows no more tries.
    #[error("no connection after {tries} tries, which is all the platform allows; the last one failed: {reason}")]
    Exhausted {
        /// How many.
        tries: i64,
        /// Why the last one failed.
        reason: String,
    },
    /// The thread that connections live on cannot be started.
    #[error("the thread of the connection cannot be started: {reason}")]
    Thread {
        /// What the system says.
        reason: String,
    },
    /// The thread that the connection lives on ended by itself, which is a bug in this crate.
    #[error("the thread of the connection ended by itself")]
    Broken,
}

impl ConnectError {
    pub(super) fn refused(trouble: &Trouble) -> Self {
        Self::Refused {
            code: trouble.code.unwrap_or_default(),
            reason: trouble.reason.clone(),
            fix: trouble.fix.clone(),
        }
    }
}
