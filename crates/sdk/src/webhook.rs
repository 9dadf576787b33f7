//! The webhook: a tower service that receives events by HTTP, and the same as a function for any framework.

mod check;
mod error;
mod guard;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use larkspur_wire::Secret;
use larkspur_wire::envelope::{BODY_BYTES_MAX, ChallengeReply, Envelope};

use crate::app::App;
use crate::delivery::Transport;
use crate::dispatch::{Dispatcher, Outcome};
use crate::reply::{Answer, BoxError};
use crate::router::Router;
use check::{Checked, Keys};

pub use error::{Refused, WebhookError};
pub use guard::ReplayGuard;

/// A body that takes longer to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// So many refused requests are logged each; after them, every one that is a power of two.
const LOGGED: u64 = 20;

/// Receives events by HTTP: a tower service for `POST` requests with any body, and [`Webhook::handle`] for frameworks
/// that have their own.
///
/// It checks the signature over the bytes as they arrived, opens sealed bodies, checks the Verification Token of every
/// event, answers the challenge, and runs the handler. Status 200 means that the handler took the event, or that there
/// is none for it; with any other status the platform pushes it again.
///
/// ```
/// use larkspur::{Delivery, Router, Webhook};
///
/// let router = Router::new().fallback(async |_: Delivery| {});
/// let hook = Webhook::with_token("the Verification Token", router)?;
/// # Ok::<(), larkspur::WebhookError>(())
/// ```
#[derive(Clone)]
pub struct Webhook {
    keys: Arc<Keys>,
    guard: Option<Arc<ReplayGuard>>,
    body_bytes_max: usize,
    dispatcher: Dispatcher,
}

impl App {
    /// A webhook for this app, with the router's handlers. The app must have a Verification Token or an Encrypt Key.
    pub fn webhook(&self, router: Router) -> Result<Webhook, WebhookError> {
        Webhook::new(self.encrypt_key.clone(), self.verification_token.clone(), router)
    }
}

impl Webhook {
    /// A webhook for an app without an Encrypt Key, which is how Feishu makes apps.
    pub fn with_token(verification_token: impl Into<Secret>, router: Router) -> Result<Self, WebhookError> {
        Self::new(Secret::default(), verification_token.into(), router)
    }

    /// A webhook for an app with an Encrypt Key: every event must be signed and sealed with it. An empty token is not
    /// checked.
    pub fn with_key(
        encrypt_key: impl Into<Secret>,
        verification_token: impl Into<Secret>,
        router: Router,
    ) -> Result<Self, WebhookError> {
        Self::new(encrypt_key.into(), verification_token.into(), router)
    }

    fn new(encrypt_key: Secret, verification_token: Secret, router: Router) -> Result<Self, WebhookError> {
        let dispatcher = Dispatcher::new(router)?;
        let mut keys = Keys::default();
        keys.add_key(encrypt_key);
        keys.add_token(verification_token);
        if keys.is_empty() {
            return Err(WebhookError::Unprotected);
        }
        Ok(Self {
            keys: Arc::new(keys),
            guard: None,
            body_bytes_max: BODY_BYTES_MAX,
            dispatcher,
        })
    }

    /// Takes a second Encrypt Key as well: the next one before it is changed in the developer console, or the former
    /// one until nothing is pushed again with it, which takes eight hours.
    #[must_use]
    pub fn or_key(mut self, encrypt_key: impl Into<Secret>) -> Self {
        Arc::make_mut(&mut self.keys).add_key(encrypt_key.into());
        self
    }

    /// Takes a second Verification Token as well, like [`Webhook::or_key`].
    #[must_use]
    pub fn or_token(mut self, verification_token: impl Into<Secret>) -> Self {
        Arc::make_mut(&mut self.keys).add_token(verification_token.into());
        self
    }

    /// Refuses requests that somebody recorded and posts again.
    #[must_use]
    pub fn replay_guard(mut self, guard: ReplayGuard) -> Self {
        self.guard = Some(Arc::new(guard));
        self
    }

    /// How many bytes a body may have, 16 MiB unless it is set, and at most.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes.min(BODY_BYTES_MAX);
        self
    }

    /// Handles one request of any framework: its head, and its body as it arrived, neither decoded nor parsed.
    ///
    /// ```
    /// # use larkspur::{Router, Webhook};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hook = Webhook::with_token("the Verification Token", Router::new())?;
    /// let body = r#"{"type":"url_verification","challenge":"c1","token":"the Verification Token"}"#;
    /// let (head, body) = http::Request::post("/webhook/event").body(body.into())?.into_parts();
    /// let response = hook.handle(&head, body).await;
    /// assert_eq!(response.into_body(), r#"{"challenge":"c1"}"#);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handle(&self, head: &Parts, body: Bytes) -> Response<Bytes> {
        self.try_handle(head, body)
            .await
            .unwrap_or_else(|refused| self.refuse(&refused))
    }

    /// Handles one request, and tells which step it failed at instead of answering it.
    pub async fn try_handle(&self, head: &Parts, body: Bytes) -> Result<Response<Bytes>, Refused> {
        check_head(head)?;
        if body.len() > self.body_bytes_max {
            return Err(self.too_large());
        }
        let now = crate::clock::now();
        let checked = self.keys.check(&head.headers, &body, self.guard.as_deref(), now)?;
        drop(body);
        match checked {
            Checked::Challenge(challenge) => Ok(response(StatusCode::OK, ChallengeReply { challenge }.write().into())),
            Checked::Event(envelope) => Ok(self.run(envelope, now).await),
        }
    }

    async fn run(&self, envelope: Envelope, now: larkspur_wire::TimestampMs) -> Response<Bytes> {
        match self.dispatcher.start(envelope, Transport::Webhook, now).await {
            Outcome::Handled(Answer(Some(json))) => response(StatusCode::OK, json.into()),
            // For a callback this says that nothing is to be shown; for an event nobody reads it.
            Outcome::Handled(Answer(None))
            | Outcome::Stored
            | Outcome::Repeated
            | Outcome::Stale
            | Outcome::NoHandler => response(StatusCode::OK, Bytes::from_static(b"{}")),
            Outcome::Failed(failure) => response(StatusCode::INTERNAL_SERVER_ERROR, msg(&failure.to_string())),
        }
    }

    async fn receive<B>(&self, request: Request<B>) -> Result<Response<Bytes>, Refused>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        check_head(&head)?;
        if body.size_hint().lower() > self.body_bytes_max as u64 {
            return Err(self.too_large());
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, self.body_bytes_max).collect()).await;
        match read.map_err(|_| Refused::Slow)? {
            Ok(body) => self.try_handle(&head, body.to_bytes()).await,
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Err(error) => Err(Refused::Unreadable(error)),
        }
    }

    fn too_large(&self) -> Refused {
        Refused::TooLarge {
            bytes_max: self.body_bytes_max,
        }
    }

    fn refuse(&self, refused: &Refused) -> Response<Bytes> {
        let (step, count) = (refused.name(), self.dispatcher.tally().refuse(refused.name()));
        // Anybody can post, so the log must not grow with it.
        if count <= LOGGED || count.is_power_of_two() {
            tracing::warn!(step, count, "refused a webhook request: {refused}");
        } else {
            tracing::debug!(step, count, "refused a webhook request: {refused}");
        }
        response(refused.status(), msg(&refused.answer()))
    }
}

fn check_head(head: &Parts) -> Result<(), Refused> {
    if head.method == Method::POST {
        return Ok(());
    }
    Err(Refused::Method {
        method: head.method.clone(),
    })
}

fn msg(msg: &str) -> Bytes {
    serde_json::json!({ "msg": msg }).to_string().into()
}

fn response(status: StatusCode, json: Bytes) -> Response<Bytes> {
    let mut response = Response::new(json);
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

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
        let hook = self.clone();
        Box::pin(async move {
            let answered = hook.receive(request).await;
            Ok(answered.unwrap_or_else(|refused| hook.refuse(&refused)).map(Full::new))
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("keys", &self.keys)
            .field("guard", &self.guard)
            .field("body_bytes_max", &self.body_bytes_max)
            .finish_non_exhaustive()
    }
}
