//! What a handler returns.

#[cfg(feature = "card")]
mod card;
#[cfg(feature = "url")]
mod preview;

use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "card")]
pub use card::CardReply;
#[cfg(feature = "url")]
pub use preview::UrlPreviewReply;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A handler's answer as JSON; most events have none.
#[derive(Debug, Default)]
pub struct Answer(pub(crate) Option<Vec<u8>>);

/// What a handler for events whose reply is `R` may return: nothing, a reply, or a `Result` of these. An error makes
/// the platform push the event again.
#[diagnostic::on_unimplemented(
    message = "a handler whose reply is `{R}` cannot return `{Self}`",
    label = "not a reply for this event type",
    note = "return `()`, `Json<{R}>`, for callbacks `CardReply` or `UrlPreviewReply`, or a `Result` of these whose error \
            converts into `BoxError`"
)]
pub trait IntoReply<R> {
    /// The answer, or why the handler failed.
    fn into_reply(self) -> Result<Answer, BoxError>;
}

/// What a service around the handlers answered.
impl<R> IntoReply<R> for Answer {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Ok(self)
    }
}

/// A reply as JSON, for callbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Json<R>(pub R);

impl<R> IntoReply<R> for () {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Ok(Answer(None))
    }
}

impl<R: Serialize> IntoReply<R> for Json<R> {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Ok(Answer(Some(serde_json::to_vec(&self.0)?)))
    }
}

impl IntoReply<Value> for Value {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Json(self).into_reply()
    }
}

impl<R, T: IntoReply<R>, E: Into<BoxError>> IntoReply<R> for Result<T, E> {
    fn into_reply(self) -> Result<Answer, BoxError> {
        self.map_err(Into::into)?.into_reply()
    }
}
