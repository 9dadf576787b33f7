//! Which problems a route may answer, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::PROBLEM_JSON;

/// What any guarded route may answer: a wrong token, a foreign host or origin, a failure of ours.
pub(crate) struct AnyRefusal;

impl IntoResponses for AnyRefusal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("401", "No token, or one that is not known."),
            (
                "403",
                "The token's role does not allow this, or a web page of another origin asked.",
            ),
            ("421", "The Host header names another server."),
            ("500", "The platform failed; its log says why."),
            (
                "429",
                "More waits to be stored than the platform takes; try again after Retry-After.",
            ),
            ("503", "The platform is shutting down, or its store failed; try again."),
        ])
    }
}

/// A probe that finds the platform not ready.
pub(crate) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("503", "They are not; the detail says why.")])
    }
}

/// What a route that reads a body may answer besides.
pub(crate) struct BodyRefusal;

impl IntoResponses for BodyRefusal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "The body is not JSON, or the query is not understood."),
            ("408", "The body did not arrive in time."),
            ("413", "The body is larger than allowed."),
            (
                "422",
                "The body is JSON, but does not say something that can be done; `path` names the member.",
            ),
        ])
    }
}

/// A route whose thing may be missing.
pub(crate) struct Missing;

impl IntoResponses for Missing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("404", "There is no such thing.")])
    }
}

/// A route that asks an app.
pub(crate) struct Asking;

impl IntoResponses for Asking {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (
                "502",
                "The app could not be asked, failed, or answered what is no answer; `feishu_code` is what a user would see.",
            ),
            ("504", "The app did not answer in time."),
        ])
    }
}

/// A route that takes a query.
pub(crate) struct QueryRefusal;

impl IntoResponses for QueryRefusal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("400", "The query is not understood.")])
    }
}

/// A route that may find things as they must not be.
pub(crate) struct Conflicting;

impl IntoResponses for Conflicting {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("409", "It is already taken or used for something else.")])
    }
}

fn problems(statuses: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let schema = || Ref::from_schema_name("Problem");
    let response = |description: &str| {
        let content = ContentBuilder::new().schema(Some(schema())).build();
        ResponseBuilder::new()
            .description(description)
            .content(PROBLEM_JSON, content)
            .build()
    };
    statuses
        .iter()
        .map(|(status, description)| ((*status).to_owned(), response(description).into()))
        .collect()
}
