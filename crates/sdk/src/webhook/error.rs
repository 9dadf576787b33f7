//! What is wrong with a webhook, or with a request that it refuses.

use http::{Method, StatusCode};
use larkspur_wire::envelope::EnvelopeError;
use larkspur_wire::{OpenError, WrongRecipe};

use crate::reply::BoxError;
use crate::router::RouterError;

/// A webhook cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Anybody could post events.
    #[error("the app has neither an Encrypt Key nor a Verification Token, so anybody could post events to it")]
    Unprotected,
    /// The router is wrong.
    #[error(transparent)]
    Router(#[from] RouterError),
}

/// A request that is refused: which step failed, and why.
///
/// It is logged. Whoever posted a request that is not authentic is not told more than that, because the details would
/// help to forge one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not a `POST`.
    #[error("events come by POST, not by {method}")]
    Method {
        /// What it is.
        method: Method,
    },
    /// The body is too large.
    #[error("the body has more than {bytes_max} bytes")]
    TooLarge {
        /// How many it may have.
        bytes_max: usize,
    },
    /// The body ended early, or something else went wrong with it.
    #[error("the body cannot be read")]
    Unreadable(#[source] BoxError),
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    Slow,
    /// The body is no event.
    #[error(transparent)]
    Malformed(#[from] EnvelopeError),
    /// The body is sealed, and we have no key.
    #[error("the body is encrypted, and the receiver has no Encrypt Key: give it the app's from the developer console")]
    NoKey,
    /// The request is not signed.
    #[error("the request is not signed: it has no `{header}`")]
    Unsigned {
        /// The first header that is missing.
        header: &'static str,
    },
    /// The signature fits none of our keys.
    #[error("the signature does not fit the body{}", because(*recipe))]
    Signature {
        /// The mistake by which it was made, if it is a known one.
        recipe: Option<WrongRecipe>,
    },
    /// The old card callback is signed with the Verification Token, and we have none.
    #[error("an old card callback is signed with the Verification Token, and the receiver has none")]
    NoToken,
    /// The request was signed at another time.
    #[error("the request was signed {seconds} seconds {}", if *.ahead { "ahead of now" } else { "ago" })]
    OutOfTime {
        /// How far away.
        seconds: u64,
        /// Whether it lies ahead.
        ahead: bool,
    },
    /// The same request came more often than the platform pushes anything.
    #[error("the same request came {times} times, more often than the platform pushes anything")]
    Replayed {
        /// How often.
        times: u32,
    },
    /// The body is not sealed, and we have a key.
    #[error("the body is not encrypted, and the receiver has an Encrypt Key")]
    NotSealed,
    /// The signature fits, and the body does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a sealed body in the sealed one.
    #[error("the body is encrypted twice")]
    SealedTwice,
    /// The event carries another token than ours, or none.
    #[error("the Verification Token is not the receiver's")]
    Token,
}

fn because(recipe: Option<WrongRecipe>) -> String {
    recipe.map_or_else(String::new, |recipe| format!(": {recipe}"))
}

impl Refused {
    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } | Self::Malformed(EnvelopeError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Unreadable(_) | Self::Malformed(_) | Self::NoKey | Self::Open(_) | Self::SealedTwice => {
                StatusCode::BAD_REQUEST
            }
            Self::Unsigned { .. }
            | Self::Signature { .. }
            | Self::NoToken
            | Self::OutOfTime { .. }
            | Self::Replayed { .. }
            | Self::NotSealed
            | Self::Token => StatusCode::FORBIDDEN,
        }
    }

    /// Its name in counters.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Method { .. } => "method",
            Self::TooLarge { .. } => "too_large",
            Self::Unreadable(_) => "unreadable",
            Self::Slow => "slow",
            Self::Malformed(_) => "malformed",
            Self::NoKey => "no_key",
            Self::Unsigned { .. } => "unsigned",
            Self::Signature { .. } => "signature",
            Self::NoToken => "no_token",
            Self::OutOfTime { .. } => "out_of_time",
            Self::Replayed { .. } => "replayed",
            Self::NotSealed => "not_sealed",
            Self::Open(_) => "open",
            Self::SealedTwice => "sealed_twice",
            Self::Token => "token",
        }
    }

    /// What whoever posted it is told.
    pub(super) fn answer(&self) -> String {
        if self.status() == StatusCode::FORBIDDEN {
            return "the request is not authentic; the receiver's log says why".to_owned();
        }
        self.to_string()
    }
}
