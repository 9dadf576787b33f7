//! Reading requests: bounded bodies, JSON whose faults are named by line or path, queries.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// Everything but events is configuration, which people write; a megabyte of it is a mistake.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// A client that sends its body more slowly than this keeps a connection from others.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A body of unknown length grows by copying up to this size, and is given room for the largest one then: memory that is
/// never written costs nothing, and copies would cost as much again.
const GROWING_BYTES_MAX: usize = 1024 * 1024;

/// A body that is too large is read to its end up to this many bytes, so that the client gets to see our answer.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A JSON body that fits `T`, unknown members refused by `T`'s own attribute.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request, CONFIG_BYTES_MAX).await?;
        parse(&bytes).map(Self)
    }
}

/// A query that fits `T`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(
                Problem::new(StatusCode::BAD_REQUEST, "query_not_understood", rejection.body_text())
                    .hint("GET /api/v1/openapi.json lists the parameters of every route"),
            ),
        }
    }
}

/// Room for the bodies that are being read or answered, for all requests together: what waits to be stored is bounded by
/// the store, and what waits to be parsed by this.
#[derive(Debug)]
pub(crate) struct Intake(Arc<Semaphore>);

/// The room of one body, until it is answered or its client goes away.
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

/// Room is counted in pieces of this size.
const PIECE_BYTES: usize = 1024;

impl Intake {
    /// Room for so many of the largest bodies.
    pub(crate) fn new(bodies: usize, body_bytes_max: usize) -> Self {
        let pieces = body_bytes_max.div_ceil(PIECE_BYTES).saturating_mul(bodies);
        Self(Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))))
    }

    /// Reads a body of at most `max` bytes, if there is room for it.
    pub(crate) async fn read(&self, request: Request, max: usize) -> Result<(Bytes, Held), Problem> {
        let mut held = Held(None);
        let body = read_while(request, max, |length| held.grow(&self.0, length)).await?;
        Ok((body, held))
    }
}

impl Held {
    /// Takes room for a body that has this length so far.
    fn grow(&mut self, room: &Arc<Semaphore>, length: usize) -> Result<(), Problem> {
        let held = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.div_ceil(PIECE_BYTES).saturating_sub(held);
        let more = Arc::clone(room).try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX));
        let more = more.map_err(|_| {
            Problem::busy("the requests that are being read are all that the platform has room for".to_owned())
        })?;
        match &mut self.0 {
            Some(held) => held.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn read(request: Request, max: usize) -> Result<Bytes, Problem> {
    read_while(request, max, |_| Ok(())).await
}

/// Reads a body of at most `max` bytes, as long as it may have the length that it has reached.
async fn read_while(
    request: Request,
    max: usize,
    mut may_have: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = request.into_body();
    let reading = async {
        if announced.is_some_and(|length: usize| length > max) {
            discard(&mut body).await;
            return Err(too_large(max));
        }
        let mut bytes = BytesMut::new();
        while let Some(data) = next_data(&mut body).await? {
            let length = bytes.len() + data.len();
            let checked = if length > max {
                Err(too_large(max))
            } else {
                may_have(length)
            };
            if let Err(problem) = checked {
                drop((bytes, data));
                discard(&mut body).await;
                return Err(problem);
            }
            if bytes.is_empty() && body.is_end_stream() {
                return Ok(data);
            }
            bytes.reserve(announced.unwrap_or_default().saturating_sub(bytes.len()));
            if bytes.len() + data.len() > GROWING_BYTES_MAX.max(bytes.capacity()) {
                bytes.reserve(max - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    match timeout(BODY_DEADLINE, reading).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_DEADLINE.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail))
        }
    }
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "body_broken",
                    format!("the body broke off: {error}"),
                ));
            }
        }
    }
    Ok(None)
}

async fn discard(body: &mut Body) {
    let mut discarded = 0;
    while let Ok(Some(data)) = next_data(body).await {
        discarded += data.len();
        if discarded > DISCARD_BYTES_MAX {
            break;
        }
    }
}

fn too_large(max: usize) -> Problem {
    let detail = format!("the body is larger than {max} bytes, which is the limit here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// Parses JSON; a fault of the syntax is named by line and column, one of the content by its path.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => {
                let path = Some(path).filter(|path| path != ".");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_does_not_fit", error.to_string()).path(path)
            }
            Category::Io | Category::Syntax | Category::Eof => not_json(&error),
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// The answer to bytes that are no JSON; the detail has line and column.
pub(crate) fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "not_json",
        format!("the body is not JSON: {error}"),
    )
    .hint("send one JSON value, in UTF-8")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its parsing is tested")]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its parsing is tested")]
        count: u32,
    }

    fn problem(body: &str) -> serde_json::Value {
        serde_json::to_value(parse::<Outer>(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let problem = problem(r#"{"inner":{"count":"many"}}"#);
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["path"], "inner.count");
    }

    #[test]
    fn an_unknown_member_is_refused_by_its_name() {
        let problem = problem(r#"{"inner":{"count":1,"cuont":2}}"#);
        assert_eq!(problem["path"], "inner.cuont");
        assert!(
            problem["detail"].as_str().unwrap().contains("unknown field `cuont`"),
            "{problem}"
        );
    }

    #[test]
    fn broken_syntax_is_named_by_line_and_column() {
        let problem = problem("{\n  \"inner\": }");
        assert_eq!(
            (problem["status"].as_u64(), problem["code"].as_str()),
            (Some(400), Some("not_json"))
        );
        assert!(
            problem["detail"].as_str().unwrap().contains("line 2 column 12"),
            "{problem}"
        );
    }

    #[test]
    fn a_second_value_is_refused() {
        assert_eq!(problem(r#"{"inner":{"count":1}} {}"#)["code"], "not_json");
    }
}
