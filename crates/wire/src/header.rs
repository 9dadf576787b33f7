//! Names of HTTP headers.

/// The text that goes into the signature first, Unix seconds in every sample seen.
pub const TIMESTAMP: &str = "X-Lark-Request-Timestamp";
/// The text that goes into the signature second.
pub const NONCE: &str = "X-Lark-Request-Nonce";
/// The signature, lower-case hexadecimal.
pub const SIGNATURE: &str = "X-Lark-Signature";
/// Names a request in Feishu's logs.
pub const LOG_ID: &str = "X-Tt-Logid";
/// Names a request where there is no [`LOG_ID`].
pub const REQUEST_ID: &str = "X-Request-Id";
/// Why a handshake was refused; without it no SDK reads the other two.
pub const HANDSHAKE_STATUS: &str = "Handshake-Status";
/// The refusal in words; Python and Java read none of the three without it.
pub const HANDSHAKE_MSG: &str = "Handshake-Msg";
/// The code of a refusal with status [`AUTH_FAILED`](crate::code::AUTH_FAILED).
pub const HANDSHAKE_AUTHERRCODE: &str = "Handshake-Autherrcode";
