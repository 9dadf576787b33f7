//! Why an app could not be made or changed.

use larkspur_platform::AppError;
use larkspur_store::StoreError;

use crate::webhook::{ChallengeError, EndpointError};

/// A change to the registry that was refused or failed; nothing of it was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The rules refuse it.
    #[error(transparent)]
    App(#[from] AppError),
    /// A request URL is no URL that can be pushed to.
    #[error("`{path}` cannot be pushed to")]
    Endpoint {
        /// Which member.
        path: &'static str,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// A request URL did not answer the challenge.
    #[error("`{path}` did not pass the challenge")]
    Challenge {
        /// Which member.
        path: &'static str,
        /// What came instead.
        source: ChallengeError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
