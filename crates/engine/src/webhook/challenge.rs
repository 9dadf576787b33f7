//! What an endpoint made of the challenge, and what its owner has to change when it did not pass.
//!
//! The official SDKs fail in few, recognisable ways; each gets its own error, so that a developer reads the cause and
//! the fix instead of "verification failed". The rules of the challenge are at
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/request-url-configuration-case>.

mod judge;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::connector::ConnectError;
use super::exchange::{Cause, ExchangeError};

pub(super) use judge::judge;

/// A request URL did not answer the challenge as it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The address guard refuses the address.
    #[error("`{host}` has the address {address}, which is {why}")]
    PrivateAddress {
        /// The URL's host.
        host: String,
        /// What it resolves to.
        address: IpAddr,
        /// The kind of address, as an adjective.
        why: &'static str,
    },
    /// The host name has no address.
    #[error("`{host}` cannot be resolved")]
    Unresolved {
        /// The URL's host.
        host: String,
    },
    /// The connection was refused.
    #[error("nothing listens at {address}")]
    NothingListens {
        /// What was connected to.
        address: SocketAddr,
    },
    /// No connection, or none that lasted, for another reason.
    #[error("the endpoint cannot be reached: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with the endpoint failed: {reason}")]
    Tls {
        /// What the TLS library said.
        reason: String,
    },
    /// No complete answer in time.
    #[error("no answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The endpoint hung up.
    #[error("the endpoint closed the connection without an answer")]
    Closed,
    /// What came is not HTTP.
    #[error("what the endpoint answered is not HTTP/1.1")]
    NotHttp,
    /// Redirects are not followed.
    #[error("the endpoint answered status {status}, a redirect to `{location}`")]
    Redirect {
        /// 3xx.
        status: u16,
        /// Where it points.
        location: String,
    },
    /// The path or the method is unknown there.
    #[error("the endpoint answered status {status}: no handler at this path")]
    NoHandler {
        /// 404 or 405.
        status: u16,
    },
    /// The receiver has another Verification Token, or none.
    #[error("the receiver refused the Verification Token: {answer}")]
    Token {
        /// The first bytes of the answer.
        answer: String,
    },
    /// The body was encrypted and the receiver has no Encrypt Key.
    #[error("the receiver has no Encrypt Key, but the app has one: {answer}")]
    ReceiverWithoutKey {
        /// The first bytes of the answer.
        answer: String,
    },
    /// The receiver has an Encrypt Key and the app has none.
    #[error("the receiver has an Encrypt Key, but the app has none: {answer}")]
    AppWithoutKey {
        /// The first bytes of the answer.
        answer: String,
    },
    /// The receiver could not decrypt the body.
    #[error("the receiver could not decrypt the challenge: {answer}")]
    WrongKey {
        /// The first bytes of the answer.
        answer: String,
    },
    /// The Node SDK answers only when it is told to.
    #[error("the receiver took the challenge for an event: {answer}")]
    NoAutoChallenge {
        /// The first bytes of the answer.
        answer: String,
    },
    /// Another status than 200.
    #[error("the endpoint answered status {status}, but it must be 200: {answer}")]
    Status {
        /// What came.
        status: u16,
        /// The first bytes of the answer.
        answer: String,
    },
    /// Status 200 and nothing else.
    #[error("the endpoint answered status 200 with an empty body")]
    Empty,
    /// Status 200 and something that is not the JSON asked for.
    #[error("the endpoint's answer has no `challenge`: {answer}")]
    NoChallenge {
        /// The first bytes of the answer.
        answer: String,
    },
    /// Status 200 and another challenge than the one sent.
    #[error("the endpoint answered another challenge than the one it was sent: `{found}`")]
    OtherChallenge {
        /// What came.
        found: String,
    },
}

impl ChallengeError {
    /// What the endpoint's owner should do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PrivateAddress { .. } => {
                "use a public address, or set `allow_private_addresses` on the app or in the platform's settings"
            }
            Self::Unresolved { .. } => "check the host name in the URL",
            Self::NothingListens { .. } => "start the receiver, and check the port in the URL",
            Self::Unreachable { .. } => "check host, port and firewall",
            Self::Tls { .. } => "use a certificate of a public authority that fits the host name, or an http:// URL",
            Self::TimedOut { .. } => {
                "answer the challenge at once, before other work; the Node SDK gives no answer at all when path or \
                 query differ from the path its adapter was given"
            }
            Self::Closed => {
                "look at the receiver's log: with a wrong or missing Encrypt Key the Node SDK ends its process here"
            }
            Self::NotHttp => "check the port in the URL and whether it should be https://",
            Self::Redirect { .. } => "save the URL that the redirect points to; redirects are not followed",
            Self::NoHandler { .. } => "check the path in the URL, and that it takes POST",
            Self::Token { .. } => {
                "give the receiver the app's Verification Token; SDKs built with an empty one refuse every challenge. \
                 Mind the order: Go and Java take (token, key), Python takes (key, token)"
            }
            Self::ReceiverWithoutKey { .. } => {
                "give the receiver the app's Encrypt Key, or remove the key from the app"
            }
            Self::AppWithoutKey { .. } => "give the app the receiver's Encrypt Key, or build the receiver without one",
            Self::WrongKey { .. } => {
                "give the receiver the app's Encrypt Key. Mind the order: Go and Java take (token, key), Python takes \
                 (key, token)"
            }
            Self::NoAutoChallenge { .. } => {
                "with the Node SDK, pass `{ autoChallenge: true }` to the adapter; with others, answer \
                 `url_verification` before events"
            }
            Self::Status { .. } => {
                "answer status 200 with `{\"challenge\": …}`; the receiver's log says why it did not"
            }
            Self::Empty | Self::NoChallenge { .. } | Self::OtherChallenge { .. } => {
                "answer `{\"challenge\": \"<the value that was sent>\"}` as JSON; the Node SDK needs \
                 `{ autoChallenge: true }` for that"
            }
        }
    }
}

impl From<ExchangeError> for ChallengeError {
    fn from(error: ExchangeError) -> Self {
        match error.cause() {
            Cause::TimedOut { after } => Self::TimedOut { after },
            Cause::Connect(ConnectError::TimedOut { after }) => Self::TimedOut { after: *after },
            Cause::Connect(ConnectError::Refused { host, address, why }) => Self::PrivateAddress {
                host: host.clone(),
                address: *address,
                why,
            },
            Cause::Connect(ConnectError::Unresolved { host, .. }) => Self::Unresolved { host: host.clone() },
            Cause::Connect(ConnectError::Unreachable { address, error })
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                Self::NothingListens { address: *address }
            }
            Cause::Connect(error) => Self::Unreachable {
                reason: error.to_string(),
            },
            Cause::Tls(error) => Self::Tls {
                reason: error.to_string(),
            },
            Cause::Closed => Self::Closed,
            Cause::NotHttp => Self::NotHttp,
            Cause::Other(error) => Self::Unreachable {
                reason: error.to_string(),
            },
        }
    }
}
