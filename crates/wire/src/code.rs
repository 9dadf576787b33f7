//! The codes of the endpoint, the handshake and the open API, with what they mean.

/// The endpoint answered with a URL.
pub const OK: i64 = 0;
/// The endpoint is busy; every SDK but Node's tries again.
pub const SYSTEM_BUSY: i64 = 1;
/// The app may not open persistent connections.
pub const FORBIDDEN: i64 = 403;
/// App ID and App Secret do not belong together; also the status of refused handshakes.
pub const AUTH_FAILED: i64 = 514;
/// Something failed inside the platform; every SDK tries again.
pub const INTERNAL_ERROR: i64 = 1_000_040_343;
/// The platform is busy, which passes.
pub const BUSY: i64 = 1_000_040_351;
/// An SDK raises this by itself when App ID or App Secret are empty.
pub const NO_CREDENTIAL: i64 = 1_000_040_344;
/// App ID or App Secret are not valid.
pub const BAD_CREDENTIAL: i64 = 1_000_040_345;
/// The app has all the connections it may have.
pub const EXCEED_CONN_LIMIT: i64 = 1_000_040_350;

/// A parameter of the open API is wrong, an App ID or App Secret among them.
pub const INVALID_PARAM: i64 = 10_003;
/// No app access token can be had.
pub const NO_APP_TOKEN: i64 = 10_012;
/// No tenant access token can be had.
pub const NO_TENANT_TOKEN: i64 = 10_013;
/// The app is not installed, or disabled.
pub const APP_UNAUTHORISED: i64 = 10_014;
/// The App Secret is wrong.
pub const WRONG_SECRET: i64 = 10_015;
/// Only store apps have tickets.
pub const TICKET_RESEND_FAILED: i64 = 10_016;
/// The open API has no such path.
pub const PATH_NOT_FOUND: i64 = 99_991_201;
/// The open API has the path, with another method.
pub const METHOD_NOT_ALLOWED: i64 = 99_991_301;
/// No token came with the request.
pub const TOKEN_MISSING: i64 = 99_991_661;
/// The tenant access token is not valid.
pub const TENANT_TOKEN_INVALID: i64 = 99_991_663;

/// Whether a client should try again after the endpoint answered so. A refused handshake is fatal only with status
/// [`FORBIDDEN`], or with [`AUTH_FAILED`] and [`EXCEED_CONN_LIMIT`] beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It has what it asked for.
    Ok,
    /// Trying again can help.
    Retry,
    /// Trying again cannot help before somebody changes something.
    Fatal,
}

/// Whether trying again can help.
///
/// Node's SDK takes 1 for fatal; this follows Go, Python and Java. What nobody has documented is fatal, as in all
/// four.
pub fn class(code: i64) -> Class {
    match code {
        OK => Class::Ok,
        SYSTEM_BUSY | INTERNAL_ERROR | BUSY => Class::Retry,
        _ => Class::Fatal,
    }
}

/// What a code means and what to do about it, in words; `None` for codes nobody has documented.
pub fn explain(code: i64) -> Option<(&'static str, &'static str)> {
    Some(match code {
        OK => ("success", "nothing"),
        SYSTEM_BUSY | BUSY => ("the platform is busy", "wait and try again"),
        FORBIDDEN => (
            "the app may not open persistent connections",
            "use a custom app, choose the persistent connection in its subscription mode, and publish a version",
        ),
        AUTH_FAILED => ("authentication failed", "check App ID and App Secret"),
        INTERNAL_ERROR => ("the platform failed", "wait and try again"),
        NO_CREDENTIAL => ("App ID or App Secret is empty", "set both"),
        BAD_CREDENTIAL => (
            "App ID or App Secret is not valid",
            "check both, and that the domain is the app's own",
        ),
        EXCEED_CONN_LIMIT => (
            "the app has all the connections it may have",
            "end other clients of the app first",
        ),
        INVALID_PARAM => ("a parameter is wrong", "check App ID and App Secret"),
        NO_APP_TOKEN => ("no app access token can be had", "check the app ticket"),
        NO_TENANT_TOKEN => (
            "no tenant access token can be had",
            "check the app access token and the tenant key",
        ),
        APP_UNAUTHORISED => ("the app is not installed in the tenant", "install it there"),
        WRONG_SECRET => ("the App Secret is wrong", "copy it again from the app's page"),
        TICKET_RESEND_FAILED => ("only store apps have tickets", "use the internal token interfaces"),
        PATH_NOT_FOUND => ("the path does not exist", "check the path"),
        METHOD_NOT_ALLOWED => ("the path takes another method", "check the method"),
        TOKEN_MISSING => ("no token came with the request", "send `Authorization: Bearer …`"),
        TENANT_TOKEN_INVALID => ("the tenant access token is not valid", "get a new one"),
        _ => return None,
    })
}
