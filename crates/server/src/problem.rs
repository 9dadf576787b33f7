//! What a refused request is answered: one JSON document for every error of the admin API.
//!
//! The form is RFC 9457, with a stable `code` for programs and a `hint` that says what to do.
//!
//! <https://www.rfc-editor.org/rfc/rfc9457>

mod documented;

use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larkspur_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use documented::{AnyRefusal, Asking, BodyRefusal, Conflicting, Missing, NotReady, QueryRefusal};

/// The content type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Whoever is refused because too much waits comes back after this; the store writes thousands in that time.
const BUSY_SECONDS: u32 = 1;

/// Why a request was refused.
///
/// It is boxed: most results never hold one, and all of them would be as large.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Document>);

/// Why a request was refused, as RFC 9457 has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// Names the kind of problem; `urn:larkspur:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words; the same for every problem of this code.
    title: String,
    /// The HTTP status, repeated.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time.
    detail: String,
    /// The kind for programs, in snake case.
    code: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Where in the request's body the fault lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Every place where the payload does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Misfit>,
    /// Goes into the header `Retry-After`.
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
    /// The code that Feishu's clients show their user in this case, where one is documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    feishu_code: Option<u32>,
}

/// One place where a payload does not fit its event type.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Misfit {
    /// Where, for example `event.candidate_info.name`.
    pub(crate) path: String,
    /// What the catalogue expects there.
    pub(crate) expected: String,
    /// What was found.
    pub(crate) found: String,
}

impl Problem {
    /// A problem of this status and code; the detail says what happened.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let mut title = code.replace('_', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self(Box::new(Document {
            kind: format!("urn:larkspur:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            hint: None,
            path: None,
            errors: Vec::new(),
            retry_after_seconds: None,
            feishu_code: None,
        }))
    }

    /// A parameter of the query that cannot be used.
    pub(crate) fn bad_query(parameter: &str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query_not_understood", detail)
            .path(Some(parameter.to_owned()))
            .hint("GET /api/v1/openapi.json lists the parameters of every route")
    }

    /// Nothing of this name exists.
    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        let code = format!("{}_not_found", what.replace([' ', '-'], "_"));
        Self::new(StatusCode::NOT_FOUND, &code, format!("there is no {what} `{name}`"))
    }

    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same with the place of the fault, if it is known.
    pub(crate) fn path(mut self, path: Option<String>) -> Self {
        self.0.path = path;
        self
    }

    /// The same with the places where a payload does not fit.
    pub(crate) fn errors(mut self, errors: Vec<Misfit>) -> Self {
        self.0.errors = errors;
        self
    }

    /// The same with how many seconds to wait before trying again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The same with what Feishu's clients would show.
    pub(crate) fn feishu_code(mut self, code: Option<u32>) -> Self {
        self.0.feishu_code = code;
        self
    }

    /// The kind for programs.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Rides on a refusing response, so that refusals are counted in one place.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let refused = Refused(self.0.code.clone());
        let mut response = (self.status(), axum::Json(&self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(refused);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy { .. } => Self::busy(error.to_string()),
            StoreError::Cursor { .. } => Self::bad_query("after", "`after` is not the `next` of a page"),
            StoreError::Backend { .. } => {
                log(&error);
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", error.to_string())
                    .hint("the platform's log says why; send the request again when that is mended")
            }
            error => Self::internal(&error),
        }
    }
}

impl Problem {
    /// Too much is waiting already.
    pub(crate) fn busy(detail: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
            .hint("send the request again after the seconds in Retry-After")
            .retry_after(BUSY_SECONDS)
    }

    /// Something of ours failed; the chain is logged, the client learns only that it was not their fault.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        log(error);
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the platform could not do this",
        )
        .hint("the platform's log says why")
    }
}

fn log(error: &(dyn Error + 'static)) {
    tracing::error!(error = %chain(error), "a request failed for an internal reason");
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    text
}
