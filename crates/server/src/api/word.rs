//! The API's own words for the store's states, so that stored rows can change without the API.

use larkspur_store::{AppKind, DeliveryState, Mode, TokenRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Defines an enum of the API that mirrors one of the store.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident = $stored:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl From<$stored> for $name {
            fn from(stored: $stored) -> Self {
                match stored {
                    $($stored::$variant => Self::$variant),+
                }
            }
        }

        impl From<$name> for $stored {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => Self::$variant),+
                }
            }
        }
    };
}

word! {
    /// Who may install an app.
    Kind = AppKind {
        /// One company, for itself.
        Custom,
        /// Any tenant; webhook only.
        Store,
    }
}

word! {
    /// How an app receives.
    PushMode = Mode {
        /// The platform posts to the app's request URL.
        Webhook,
        /// The app holds a persistent connection open.
        Websocket,
    }
}

word! {
    /// Where a delivery stands.
    State = DeliveryState {
        /// It is being pushed, or will be.
        Pending,
        /// The app took it.
        Delivered,
        /// Given up after the last retry.
        Dead,
    }
}

word! {
    /// What the bearer of a token may do.
    Role = TokenRole {
        /// Everything.
        Admin,
        /// Publish events and ask apps for callbacks, nothing else.
        Publish,
        /// Read the metrics, nothing else.
        Metrics,
    }
}
