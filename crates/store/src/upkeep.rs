//! The operator's port: whether the store can be written, how it does, and a copy of everything.

use std::fs::File;

use async_trait::async_trait;

use crate::{HistogramReading, StoreError};

/// What an operator asks of a store.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Brings something to disk, to learn whether that can be done now.
    async fn probe(&self) -> Result<(), StoreError>;
    /// How writing went since the store was opened.
    fn writing(&self) -> Writing;
    /// Copies everything, as of one moment, while others write; the file has no name any more and is at its start.
    ///
    /// It holds every secret that the store holds.
    async fn backup(&self) -> Result<File, StoreError>;
}

/// How writing went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// How long commits took that succeeded: syncing to disk included, running what they carried not.
    pub commits: HistogramReading,
    /// Commits that failed, and jobs that failed alone.
    pub failed: u64,
    /// What the commits carried: batches of events, of settlements and the like.
    pub jobs: u64,
}
