//! The webhook: a tower service that receives events by HTTP.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use larkspur_wire::envelope::{BODY_BYTES_MAX, Challenge, ChallengeReply, Envelope, Incoming};
use larkspur_wire::header::{NONCE, SIGNATURE, TIMESTAMP};
use larkspur_wire::{open, verify};

use crate::app::App;
use crate::delivery::Transport;
use crate::dispatch::{Dispatcher, Outcome};
use crate::reply::{Answer, BoxError};
use crate::router::{Router, RouterError};

/// A body that takes longer to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A webhook cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Anybody could post events.
    #[error("the app has neither an Encrypt Key nor a Verification Token, so anybody could post events to it")]
    Unprotected,
    /// The router is wrong.
    #[error(transparent)]
    Router(#[from] RouterError),
}

/// Receives events by HTTP: a tower service for `POST` requests, with any body.
///
/// It checks the signature over the bytes as they arrived, opens sealed bodies, checks the Verification Token, answers
/// the challenge, and runs the handler. Status 200 means that the handler took the event; with any other the platform
/// pushes it again. Bodies may have 16 MiB.
#[derive(Clone, Debug)]
pub struct Webhook {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    app: App,
    dispatcher: Dispatcher,
}

impl App {
    /// A webhook for this app, with the router's handlers.
    pub fn webhook(&self, router: Router) -> Result<Webhook, WebhookError> {
        let dispatcher = Dispatcher::new(router)?;
        if self.encrypt_key.is_empty() && self.verification_token.is_empty() {
            return Err(WebhookError::Unprotected);
        }
        Ok(Webhook {
            inner: Arc::new(Inner {
                app: self.clone(),
                dispatcher,
            }),
        })
    }
}

/// A request that is refused: the status, and what to tell the caller.
struct Refusal(StatusCode, String);

impl<B> tower_service::Service<Request<B>> for Webhook
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let answered = match receive(request).await {
                Ok((headers, body)) => inner.answer(&headers, &body).await,
                Err(refusal) => Err(refusal),
            };
            Ok(answered.unwrap_or_else(|Refusal(status, msg)| {
                tracing::warn!("refused a webhook request: {msg}");
                response(status, serde_json::json!({ "msg": msg }).to_string().into())
            }))
        })
    }
}

async fn receive<B>(request: Request<B>) -> Result<(HeaderMap, Bytes), Refusal>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Err(Refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("events come by POST, not by {}", head.method),
        ));
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match read {
        Ok(Ok(body)) => Ok((head.headers, body.to_bytes())),
        Ok(Err(error)) => Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body cannot be read: {error}"),
        )),
        Err(_) => Err(Refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time".to_owned(),
        )),
    }
}

impl Inner {
    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response<Full<Bytes>>, Refusal> {
        let bad = |error: &dyn std::error::Error| Refusal(StatusCode::BAD_REQUEST, error.to_string());
        let (incoming, sealed) = match Incoming::parse(body).map_err(|error| bad(&error))? {
            Incoming::Sealed(_) if self.app.encrypt_key.is_empty() => {
                let msg = "the body is encrypted, and the receiver has no Encrypt Key";
                return Err(Refusal(StatusCode::BAD_REQUEST, msg.to_owned()));
            }
            Incoming::Sealed(sealed) => {
                let plain = open(&sealed, &self.app.encrypt_key).map_err(|error| bad(&error))?;
                let plain = String::from_utf8(plain).map_err(|error| bad(&error))?;
                (Incoming::read(plain).map_err(|error| bad(&error))?, true)
            }
            plain => (plain, false),
        };
        match incoming {
            Incoming::Challenge(challenge) => self.challenge(challenge),
            Incoming::Event(envelope) => {
                self.authenticate(headers, body, sealed, &envelope)?;
                Ok(self.handle(envelope).await)
            }
            Incoming::Sealed(_) | Incoming::CardV1(_) => Err(Refusal(
                StatusCode::BAD_REQUEST,
                "the body is encrypted twice".to_owned(),
            )),
        }
    }

    /// The challenge is not signed, by the official rules.
    fn challenge(&self, challenge: Challenge) -> Result<Response<Full<Bytes>>, Refusal> {
        self.check_token(&challenge.token)?;
        let reply = ChallengeReply {
            challenge: challenge.challenge,
        };
        Ok(response(StatusCode::OK, reply.write().into()))
    }

    fn authenticate(&self, headers: &HeaderMap, body: &[u8], sealed: bool, envelope: &Envelope) -> Result<(), Refusal> {
        let key = &self.app.encrypt_key;
        if !key.is_empty() {
            let text = |name| {
                headers
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
            };
            if !verify(text(TIMESTAMP), text(NONCE), key, body, text(SIGNATURE)) {
                return Err(Refusal(
                    StatusCode::FORBIDDEN,
                    "the signature does not fit the body".to_owned(),
                ));
            }
            if !sealed {
                let msg = "the body is not encrypted, and the receiver has an Encrypt Key";
                return Err(Refusal(StatusCode::FORBIDDEN, msg.to_owned()));
            }
        }
        self.check_token(&envelope.header.token)
    }

    fn check_token(&self, token: &larkspur_wire::Secret) -> Result<(), Refusal> {
        let expected = &self.app.verification_token;
        if expected.is_empty() || expected == token {
            return Ok(());
        }
        Err(Refusal(
            StatusCode::FORBIDDEN,
            "the Verification Token is not the receiver's".to_owned(),
        ))
    }

    async fn handle(&self, envelope: Envelope) -> Response<Full<Bytes>> {
        let started = self.dispatcher.start(envelope, Transport::Webhook, crate::clock::now());
        match started.await {
            Outcome::Handled(Answer(Some(json))) => response(StatusCode::OK, json.into()),
            Outcome::Handled(Answer(None)) => success("success"),
            Outcome::Repeated => success("handled before"),
            Outcome::Stale => success("too old to be handled"),
            Outcome::NoHandler => success("no handler"),
            Outcome::Failed(failure) => response(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!(r#"{{"msg":"{failure}"}}"#).into(),
            ),
        }
    }
}

fn success(msg: &str) -> Response<Full<Bytes>> {
    response(StatusCode::OK, format!(r#"{{"msg":"{msg}"}}"#).into())
}

fn response(status: StatusCode, json: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(json));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
