//! What one push came to, by whichever mode it went.

use std::time::Duration;

use bytes::Bytes;
use larkspur_store::Mode;

/// The result of handing one envelope to one app, once.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    /// How it was pushed.
    pub(crate) mode: Mode,
    /// Where it went: the endpoint's host and path, or the session's id; empty when there was nowhere to go.
    pub(crate) target: String,
    /// HTTP status or ack code, when one came.
    pub(crate) code: Option<i32>,
    /// From the first step to the result.
    pub(crate) took: Duration,
    /// What the app answered, up to the bound of its mode.
    pub(crate) answer: Bytes,
    /// Whether the app took it, and if not, why.
    pub(crate) outcome: Result<(), String>,
}
