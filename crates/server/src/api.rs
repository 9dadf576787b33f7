//! The admin API: one file per noun, JSON in, JSON out.
//!
//! Times are integers, milliseconds since 1970, in members whose names end in `_at` or `_time`. Every refusal is a
//! [`Problem`].

pub(crate) mod again;
pub(crate) mod apps;
pub(crate) mod attempts;
pub(crate) mod backup;
pub(crate) mod bindings;
pub(crate) mod callbacks;
pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod deliveries;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod metrics;
mod page;
pub(crate) mod probe;
pub(crate) mod publish;
pub(crate) mod resources;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod tokens;
mod word;

use larkspur_engine::RegistryError;

use crate::problem::{Problem, chain};
use axum::http::StatusCode;

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let detail = chain(&error);
        match error {
            RegistryError::App(error) => {
                let status = match error.code() {
                    "unknown_app" => StatusCode::NOT_FOUND,
                    "app_exists" => StatusCode::CONFLICT,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::new(status, error.code(), detail)
                    .hint(error.hint())
                    .path(error.path().map(str::to_owned))
            }
            RegistryError::Endpoint { path, .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_url", detail)
                .hint("give an absolute http or https URL without user name and password")
                .path(Some(path.to_owned())),
            RegistryError::Challenge { path, source } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "challenge_failed", detail)
                    .hint(source.hint())
                    .path(Some(path.to_owned()))
            }
            RegistryError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
