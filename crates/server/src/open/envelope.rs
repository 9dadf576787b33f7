//! The open API's envelope, and the log id that every answer carries.

use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larkspur_wire::{code, header as wire_header, hex, open_api};

use crate::problem::Refused;

/// Finds a request in the log; a new one for each request.
#[derive(Clone, Debug)]
pub(crate) struct LogId(pub(super) String);

/// Gives the request a log id and writes it into the answer.
pub(crate) async fn log_id(mut request: Request, next: Next) -> Response {
    let mut bits = [0; 16];
    // Without random bytes the id is all zeros, and the request is answered all the same.
    let _ = getrandom::fill(&mut bits);
    let id = hex(&bits);
    tracing::debug!(log_id = %id, method = %request.method(), path = request.uri().path(), "open API call");
    request.extensions_mut().insert(LogId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(wire_header::LOG_ID, value);
    }
    response
}

/// A refusal in the open API's form.
#[derive(Debug)]
pub(crate) struct OpenError {
    pub(super) status: StatusCode,
    pub(super) code: i64,
    pub(super) msg: String,
    pub(super) log_id: LogId,
}

impl IntoResponse for OpenError {
    fn into_response(self) -> Response {
        let mut response = json(self.status, open_api::write_error(self.code, &self.msg, &self.log_id.0));
        response
            .extensions_mut()
            .insert(Refused(format!("open_api_{}", self.code)));
        response
    }
}

/// An answer whose JSON is written already.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body,
    )
        .into_response()
}

/// Answers a known path that was called with another method.
pub(crate) async fn method_not_allowed(Extension(log_id): Extension<LogId>, method: Method, uri: Uri) -> OpenError {
    let msg = format!("{} does not take {method}", uri.path());
    OpenError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: code::METHOD_NOT_ALLOWED,
        msg,
        log_id,
    }
}
