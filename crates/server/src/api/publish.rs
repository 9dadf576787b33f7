//! Publishing: one event as a JSON object, or many as lines of JSON.

mod view;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larkspur_engine::Published;
use larkspur_platform::{Publication, PublishError};
use memchr::memchr_iter;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::probe::draining;
use crate::auth::Producer;
use crate::body::{self, Params};
use crate::problem::{AnyRefusal, BodyRefusal, Conflicting, Misfit, Missing, Problem};
use crate::server::Server;
use view::{PublicationView, PublishedLine, PublishedView};

/// The content type of one JSON document a line.
const NDJSON: &str = "application/x-ndjson";

/// Room for the answer to an event that one app gets.
const ANSWER_BYTES: usize = 512;

/// What the answer tells.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Explain {
    /// Lists every app with its first refusing gate and the fix.
    explain: bool,
}

/// Publishes events. What is answered with success is on disk.
///
/// With the content type `application/x-ndjson` each line is one event and gets one line of the answer, in order;
/// a line that is refused does not hold up the others. With any other content type the body is one event.
#[utoipa::path(post, path = "/api/v1/events",
    operation_id = "publish_events", tag = "events", params(Explain),
    request_body(content(
        (PublicationView = "application/json"),
        (PublicationView = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "What became of the event, or of each line.", content(
            (PublishedView = "application/json"),
            (PublishedLine = "application/x-ndjson"),
        )),
        AnyRefusal, BodyRefusal, Conflicting, Missing))]
pub(crate) async fn publish(
    _: Producer,
    State(server): State<Arc<Server>>,
    Params(Explain { explain }): Params<Explain>,
    request: Request,
) -> Result<Response, Problem> {
    if server.engine.is_draining() {
        return Err(draining());
    }
    let many = is_ndjson(request.headers());
    let bytes_max = server.engine.settings().publish.body_bytes_max;
    let (bytes, _held) = server.intake.read(request, bytes_max).await?;
    if many {
        return publish_lines(&server, &bytes, explain).await;
    }
    let publication = parse(&server, &bytes)?;
    let mut answers = server.engine.publish(vec![publication], explain).await?;
    match answers.pop() {
        Some(Ok(published)) => {
            let mut answer = Vec::with_capacity(ANSWER_BYTES);
            write(&mut answer, &PublishedView::from(published))?;
            Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
        }
        Some(Err(error)) => Err(problem(error, None)),
        None => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the engine did not answer",
        )),
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content_type
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(NDJSON))
}

async fn publish_lines(server: &Server, bytes: &[u8], explain: bool) -> Result<Response, Problem> {
    let lines: Vec<_> = lines(bytes).filter(|line| !line.trim_ascii().is_empty()).collect();
    let events_max = server.engine.settings().publish.batch_max;
    if lines.len() > events_max {
        return Err(problem(PublishError::TooMany { events_max }, None));
    }
    let mut publications = Vec::with_capacity(lines.len());
    let mut refused = Vec::with_capacity(lines.len());
    for line in lines {
        match parse(server, line) {
            Ok(publication) => {
                publications.push(publication);
                refused.push(None);
            }
            Err(problem) => refused.push(Some(problem)),
        }
    }
    let mut published = server.engine.publish(publications, explain).await?.into_iter();
    let mut answer = Vec::with_capacity(refused.len() * ANSWER_BYTES);
    for refused in refused {
        let line = match refused {
            Some(problem) => Err(problem),
            None => match published.next() {
                Some(published) => published.map_err(|error| problem(error, None)),
                None => break,
            },
        };
        write_line(server, &mut answer, line)?;
    }
    Ok(([(header::CONTENT_TYPE, NDJSON)], answer).into_response())
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', bytes).chain([bytes.len()]).map(move |end| {
        let line = &bytes[start..end];
        start = end + 1;
        line
    })
}

fn write_line(server: &Server, answer: &mut Vec<u8>, line: Result<Published, Problem>) -> Result<(), Problem> {
    let line = match line {
        Ok(published) => PublishedLine::Published(Box::new(published.into())),
        Err(error) => {
            server.count_refusal(error.code());
            PublishedLine::Refused { error }
        }
    };
    write(answer, &line)?;
    answer.push(b'\n');
    Ok(())
}

fn write(answer: &mut Vec<u8>, view: &impl Serialize) -> Result<(), Problem> {
    serde_json::to_writer(answer, view).map_err(|error| Problem::internal(&error))
}

fn parse<'a>(server: &'a Server, json: &[u8]) -> Result<Publication<'a>, Problem> {
    let settings = server.engine.settings();
    Publication::parse(
        json,
        server.engine.catalog(),
        &settings.publish,
        settings.assumptions.unverified_types,
    )
    .map_err(|error| problem(error, Some(json)))
}

/// What a refused publication is answered; `json` is what was read, if the error is about that.
pub(super) fn problem(error: PublishError, json: Option<&[u8]>) -> Problem {
    let status = match &error {
        PublishError::Malformed { .. } => match json.map(serde_json::from_slice::<IgnoredAny>) {
            Some(Err(error)) => {
                return body::not_json(&error)
                    .hint(PublishError::hint(&PublishError::Malformed { detail: String::new() }));
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
        PublishError::TooLarge { .. } | PublishError::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PublishError::UnknownType { .. } => StatusCode::NOT_FOUND,
        PublishError::Conflict { .. } => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let errors = match &error {
        PublishError::Payload { errors, .. } => errors.iter().map(|error| misfit(error, "event")).collect(),
        _ => Vec::new(),
    };
    Problem::new(status, error.code(), error.to_string())
        .hint(error.hint())
        .path(error.path().map(str::to_owned))
        .errors(errors)
}

/// A misfit as the API shows it, its path from the member that holds the payload.
pub(super) fn misfit(error: &larkspur_catalog::PayloadError, member: &str) -> Misfit {
    Misfit {
        path: if error.path.is_empty() {
            member.to_owned()
        } else {
            format!("{member}.{}", error.path)
        },
        expected: error.expected.clone(),
        found: error.found.to_owned(),
    }
}
