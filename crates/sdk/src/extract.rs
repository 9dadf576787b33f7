//! Extractors: what a handler can ask for in its arguments.

use std::fmt;
use std::ops::Deref;

use larkspur_events::EventType;
use serde_json::Value;

use crate::delivery::{Delivery, Meta};

/// The payload as a struct; as the first argument it also says which event type the handler is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<T>(pub T);

impl<T> Deref for Event<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: EventType> fmt::Display for Event<T> {
    /// The payload as JSON on several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.pretty())
    }
}

/// What the router was given with [`Router::with_state`](crate::Router::with_state).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<S>(pub S);

/// The payload as JSON, for types that no struct exists for.
#[derive(Clone, Debug, PartialEq)]
pub struct RawEvent(pub Value);

impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

/// An argument could not be made; the event counts as failed and is pushed again.
#[derive(Debug, thiserror::Error)]
#[error("the payload of `{event_type}` cannot be read: {detail}")]
pub struct ExtractError {
    event_type: String,
    detail: String,
}

/// What can stand among a handler's arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not an extractor",
    note = "use `Event<T>`, `Meta`, `State<S>` with the router's state, `RawEvent` or `Delivery`, or implement `Extract`"
)]
pub trait Extract<S>: Sized + Send {
    /// Makes the argument.
    fn extract(delivery: &Delivery, state: &S) -> Result<Self, ExtractError>;
}

impl<S, T: EventType> Extract<S> for Event<T> {
    fn extract(delivery: &Delivery, _: &S) -> Result<Self, ExtractError> {
        let (event, drift) = T::read(delivery.payload()).map_err(|error| refuse(delivery, &error))?;
        if drift > 0 {
            delivery.keep_drift(|| event.drift());
        }
        Ok(Self(event))
    }
}

impl<S> Extract<S> for RawEvent {
    fn extract(delivery: &Delivery, _: &S) -> Result<Self, ExtractError> {
        let event = serde_json::from_str(delivery.payload());
        event.map(Self).map_err(|error| refuse(delivery, &error))
    }
}

impl<S> Extract<S> for Meta {
    fn extract(delivery: &Delivery, _: &S) -> Result<Self, ExtractError> {
        Ok(delivery.meta().clone())
    }
}

impl<S> Extract<S> for Delivery {
    fn extract(delivery: &Delivery, _: &S) -> Result<Self, ExtractError> {
        Ok(delivery.clone())
    }
}

impl<S: Clone + Send> Extract<S> for State<S> {
    fn extract(_: &Delivery, state: &S) -> Result<Self, ExtractError> {
        Ok(Self(state.clone()))
    }
}

fn refuse(delivery: &Delivery, error: &serde_json::Error) -> ExtractError {
    ExtractError {
        event_type: delivery.meta().event_type.clone(),
        detail: error.to_string(),
    }
}
