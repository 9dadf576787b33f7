//! The trait that ties a struct to its event type.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Which envelope an event type travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// Schema 1.0: `uuid`, `ts`, and the event's type inside the payload.
    V1,
    /// Schema 2.0: `schema` and `header`.
    V2,
}

/// The payload of one event type or callback.
///
/// The structs of this crate implement it. Implement it for a struct of your own to receive an event type that the
/// catalogue does not have:
///
/// ```
/// use larkspur_events::{EventType, Schema};
///
/// #[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
/// struct DoorOpened {
///     door: String,
/// }
///
/// impl EventType for DoorOpened {
///     const KEY: &'static str = "acs.door.opened_v1";
///     const SCHEMA: Schema = Schema::V2;
///     type Reply = ();
/// }
///
/// let event = DoorOpened { door: "north".into() };
/// assert_eq!(event.pretty(), "{\n  \"door\": \"north\"\n}");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event type",
    label = "no event or callback has this payload",
    note = "the event types are in the module of their domain, such as `im::MessageReceiveV1`, which needs the cargo \
            feature of the same name; for one of your own, implement `EventType`"
)]
pub trait EventType: Serialize + DeserializeOwned + Clone + Debug + Default + Send + Sync + 'static {
    /// The name of the event type, for example `im.message.receive_v1`.
    const KEY: &'static str;
    /// The envelope that it travels in.
    const SCHEMA: Schema;
    /// What a handler answers: `()` for events, a struct for callbacks.
    type Reply;

    /// Reads a payload, and counts the members that have no place in the fields; for a struct of your own that is none.
    fn read(json: &str) -> serde_json::Result<(Self, usize)> {
        serde_json::from_str(json).map(|event| (event, 0))
    }

    /// The paths of those members: what Feishu sends and the catalogue does not list, or lists with another type.
    fn drift(&self) -> Vec<String> {
        Vec::new()
    }

    /// The whole payload as JSON on several lines, unlisted members included.
    fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|_| format!("{self:#?}"))
    }
}
