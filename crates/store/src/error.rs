//! What can go wrong in a store.

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The backend failed; nothing of the batch was kept.
    #[error("the store could not {doing}")]
    Backend {
        /// What was tried.
        doing: &'static str,
        /// The backend's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored row does not fit the types it was written from.
    #[error("a stored {what} cannot be read: {found}")]
    Corrupt {
        /// The kind of row.
        what: &'static str,
        /// What was found.
        found: String,
    },
    /// More waits than the store takes; the caller should come back later.
    #[error("the store has {waiting} batches waiting, and takes no more")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// A page was asked for after something that is not the end of a page; the caller's mistake.
    #[error("`{found}` is not the cursor of a page")]
    Cursor {
        /// What was given.
        found: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
