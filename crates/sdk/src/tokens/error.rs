//! Why there is no token.

use std::fmt;

/// There is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The platform was asked to push a ticket, and none came.
    #[error(
        "no app ticket came: the app's request URL must reach a router that `StoreTokens::keep_ticket` has been through"
    )]
    NoTicket,
    /// The platform refuses.
    #[error("the platform refuses with code {code} ({msg}){}", Fix(*code))]
    Refused {
        /// Feishu's code.
        code: i64,
        /// The platform's own words.
        msg: String,
    },
    /// The platform cannot be reached, or did not answer in time.
    #[error("the platform cannot be reached: {detail}")]
    Unreachable {
        /// What was tried, and the evidence.
        detail: String,
    },
    /// The answer is none.
    #[error("the platform's answer is not understood: {detail}")]
    NotUnderstood {
        /// What is wrong with it.
        detail: String,
    },
    /// The certificates to trust cannot be read.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What is wrong with them.
        reason: String,
    },
}

/// What to do about a code of <https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code>.
struct Fix(i64);

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            10_003 => ": check the App ID and App Secret",
            10_012 => ": the app ticket is old or another app's",
            10_013 => ": the app's token is old, or the tenant does not have the app",
            10_014 => ": the app is not installed, or disabled",
            10_015 => ": check the App Secret",
            10_016 => ": only store apps have a ticket",
            11_210 => ": the tenant does not have the app installed",
            _ => "",
        })
    }
}
