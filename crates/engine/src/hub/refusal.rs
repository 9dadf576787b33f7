//! How the hub refuses a client, in the forms that the official SDKs understand.

use larkspur_wire::code;

/// A client asked for a connection URL and gets none.
///
/// The answer goes out with HTTP status 200 and `"data":{}`: the SDKs stop or retry by the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointRefusal {
    /// The app has all the connections it may have; every SDK stops here.
    #[error("the number of connections exceeded the limit of {sessions_max}")]
    TooManySessions {
        /// The limit.
        sessions_max: usize,
    },
    /// Too many connection URLs are out unused; every SDK tries again.
    #[error("too many connection URLs are waiting to be used")]
    TooManyTickets,
    /// The platform is shutting down; every SDK tries again.
    #[error("the platform is shutting down")]
    ShuttingDown,
}

impl EndpointRefusal {
    /// The `code` of the answer.
    pub fn code(&self) -> i64 {
        match self {
            Self::TooManySessions { .. } => code::EXCEED_CONN_LIMIT,
            Self::TooManyTickets | Self::ShuttingDown => code::INTERNAL_ERROR,
        }
    }
}

/// A client came to open a connection and is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeRefusal {
    /// The ticket is unknown, used, expired, or does not fit the rest of the URL; a new URL helps.
    #[error("the ticket is not valid, ask the endpoint for a new URL")]
    BadTicket,
    /// The app has all the connections it may have.
    #[error("the number of connections exceeded the limit of {sessions_max}")]
    TooManySessions {
        /// The limit.
        sessions_max: usize,
    },
    /// The platform is shutting down.
    #[error("the platform is shutting down")]
    ShuttingDown,
}

impl HandshakeRefusal {
    /// The HTTP status; the SDKs look at the headers only.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadTicket | Self::TooManySessions { .. } => 403,
            Self::ShuttingDown => 503,
        }
    }

    /// The three headers by which an SDK decides whether to come back.
    ///
    /// Status 403 would make Python, Go and Java give up, so a bad ticket is 514 with a code they do not know.
    pub fn headers(&self) -> [(&'static str, String); 3] {
        let auth_error = match self {
            Self::TooManySessions { .. } => code::EXCEED_CONN_LIMIT,
            Self::BadTicket | Self::ShuttingDown => code::INTERNAL_ERROR,
        };
        [
            (larkspur_wire::header::HANDSHAKE_STATUS, code::AUTH_FAILED.to_string()),
            (larkspur_wire::header::HANDSHAKE_MSG, self.to_string()),
            (larkspur_wire::header::HANDSHAKE_AUTHERRCODE, auth_error.to_string()),
        ]
    }
}
