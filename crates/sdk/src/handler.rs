//! Handlers: async functions whose arguments are extractors.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;

use larkspur_events::EventType;
use serde_json::Value;

use crate::delivery::Delivery;
use crate::extract::{Event, Extract};
use crate::reply::{Answer, BoxError, IntoReply};

/// The callbacks of the platform: each wants its answer at once, and none is pushed again.
const CALLBACKS: [&str; 4] = [
    "card.action.trigger",
    "card.action.trigger_v1",
    "profile.view.get",
    "url.preview.get",
];

/// Whether this type is a callback.
pub(crate) fn is_callback(event_type: &str) -> bool {
    CALLBACKS.contains(&event_type)
}

/// What a handler does with one event.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

/// An async function that handles one event type: `async fn(Event<T>, …)` with up to four more extractors.
///
/// The event type is `T`'s.
#[diagnostic::on_unimplemented(
    message = "this function cannot handle an event",
    label = "not a handler",
    note = "a handler is an `async fn` whose first argument is `Event<T>`, whose others are extractors such as `Meta`, \
            and whose result is `()`, a reply, or a `Result` of these"
)]
pub trait Handler<M, S>: Clone + Send + Sync + 'static {
    /// The event type it is for.
    const KEY: &'static str;
    /// Whether the platform waits for a reply.
    fn replies() -> bool;
    /// Handles one event.
    fn call(self, delivery: Delivery, state: S) -> impl Future<Output = Result<Answer, BoxError>> + Send + 'static;
}

/// An async function that handles events of any type, with up to five extractors.
#[diagnostic::on_unimplemented(
    message = "this function cannot handle events of any type",
    label = "not a handler",
    note = "it is an `async fn` whose arguments are extractors such as `RawEvent` and `Meta`, and whose result is `()`, \
            a `serde_json::Value`, or a `Result` of these"
)]
pub trait RawHandler<M, S>: Clone + Send + Sync + 'static {
    /// Handles one event.
    fn call(self, delivery: Delivery, state: S) -> impl Future<Output = Result<Answer, BoxError>> + Send + 'static;
}

/// Implements both traits for functions of one more argument at a time.
macro_rules! handlers {
    ($($arg:ident),*) => {
        #[allow(clippy::allow_attributes, non_snake_case, reason = "a name serves as type and value, if there is any")]
        impl<F, Fut, Out, S, T, $($arg),*> Handler<(T, $($arg,)*), S> for F
        where
            F: Fn(Event<T>, $($arg),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Out> + Send + 'static,
            Out: IntoReply<T::Reply> + 'static,
            T: EventType,
            T::Reply: 'static,
            S: Send + Sync + 'static,
            $($arg: Extract<S> + 'static,)*
        {
            const KEY: &'static str = T::KEY;

            fn replies() -> bool {
                TypeId::of::<T::Reply>() != TypeId::of::<()>()
            }

            #[expect(clippy::allow_attributes, reason = "whether the state is used depends on the arguments")]
            #[allow(unused_variables, reason = "whether the state is used depends on the arguments")]
            async fn call(self, delivery: Delivery, state: S) -> Result<Answer, BoxError> {
                let handling = {
                    let event = Event::<T>::extract(&delivery, &state)?;
                    $(let $arg = $arg::extract(&delivery, &state)?;)*
                    self(event, $($arg),*)
                };
                handling.await.into_reply()
            }
        }
    };
}

macro_rules! raw_handlers {
    ($($arg:ident),*) => {
        #[expect(non_snake_case, reason = "one name serves as the type and the value of an argument")]
        impl<F, Fut, Out, S, $($arg),*> RawHandler<($($arg,)*), S> for F
        where
            F: Fn($($arg),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Out> + Send + 'static,
            Out: IntoReply<Value> + 'static,
            S: Send + Sync + 'static,
            $($arg: Extract<S> + 'static,)*
        {
            async fn call(self, delivery: Delivery, state: S) -> Result<Answer, BoxError> {
                let handling = {
                    $(let $arg = $arg::extract(&delivery, &state)?;)*
                    self($($arg),*)
                };
                handling.await.into_reply()
            }
        }
    };
}

handlers!();
handlers!(A1);
handlers!(A1, A2);
handlers!(A1, A2, A3);
handlers!(A1, A2, A3, A4);
raw_handlers!(A1);
raw_handlers!(A1, A2);
raw_handlers!(A1, A2, A3);
raw_handlers!(A1, A2, A3, A4);
raw_handlers!(A1, A2, A3, A4, A5);
