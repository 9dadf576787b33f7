//! What is wrong with a router.

use std::collections::BTreeSet;

/// A router that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// An event type has two handlers.
    #[error("two handlers for {}: only one of them could ever run", quoted(types))]
    Twice {
        /// The event types.
        types: BTreeSet<String>,
    },
    /// Two places say what holds for all handlers.
    #[error("a merged router has layers, limits or policies of its own: set them on the router it is merged into")]
    MergedPolicy,
    /// An inbox serves one router at a time.
    #[error("the inbox serves another router already: open one for each")]
    InboxTaken,
    /// A limit under which nothing could ever be handled.
    #[error("{limit} is zero, so that no event could ever be handled")]
    Zero {
        /// Which limit.
        limit: &'static str,
    },
}

fn quoted(types: &BTreeSet<String>) -> String {
    types
        .iter()
        .map(|event_type| format!("`{event_type}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
