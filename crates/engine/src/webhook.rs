//! The webhook client: seals and signs an envelope, posts it within the deadline, and judges the answer.
//!
//! Everything about an endpoint is hostile until shown otherwise: see `guard` for addresses and `exchange` for bounds.
//! The rules of a push are at <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>.

mod challenge;
mod connector;
mod endpoint;
mod exchange;
mod guard;
mod lookup;
mod pool;
mod request;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larkspur_platform::{Assumptions, DeliverySettings};
use larkspur_store::{App, Mode};
use larkspur_wire::TimestampMs;
use tokio::time::Instant;

use crate::call::{CallFailure, Reply};
use crate::push::Pushed;
use connector::{ConnectError, Reach};
use endpoint::Endpoints;
use exchange::{Cause, Exchange, ExchangeError};

pub use challenge::ChallengeError;
pub use endpoint::{Endpoint, EndpointError};
pub use exchange::WebhookSetupError;

/// Posts to the endpoints of all apps.
#[derive(Clone, Debug)]
pub(crate) struct WebhookClient {
    exchange: Exchange,
    endpoints: Arc<Endpoints>,
    push_timeout: Duration,
    challenge_timeout: Duration,
    allow_private_addresses: bool,
    assumptions: Assumptions,
}

/// One envelope to post. It holds the Verification Token, so it cannot be printed.
#[derive(Clone)]
pub(crate) struct WebhookPush {
    /// The envelope in the clear, compact JSON.
    pub(crate) body: Bytes,
    /// What the initialisation vector, the nonce and the request id are made of.
    ///
    /// The same seed and time give the same bytes on the wire, so that a retry can repeat the first push.
    pub(crate) seed: [u8; 32],
    /// The time that is signed.
    pub(crate) signed_at: TimestampMs,
}

impl WebhookClient {
    /// How many answers were not read to their end.
    pub(crate) fn answers_cut(&self) -> u64 {
        self.exchange.answers_cut()
    }

    pub(crate) fn new(delivery: &DeliverySettings, assumptions: &Assumptions) -> Result<Self, WebhookSetupError> {
        let roots = delivery.root_certificates.as_deref().map(read_roots).transpose()?;
        Ok(Self {
            endpoints: Arc::default(),
            exchange: Exchange::new(delivery.connect_timeout(), delivery.answer_bytes_max, roots.as_deref())?,
            push_timeout: delivery.push_timeout(),
            challenge_timeout: delivery.challenge_timeout(),
            allow_private_addresses: delivery.allow_private_addresses,
            assumptions: assumptions.clone(),
        })
    }

    /// An app's URL, ready to be pushed to.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Arc<Endpoint>, EndpointError> {
        self.endpoints.get(url)
    }

    /// Pushes one envelope. Status 200 within the deadline means that the app has it, whatever the body says.
    pub(crate) async fn post(&self, app: &App, endpoint: &Endpoint, push: WebhookPush) -> Pushed {
        let started = Instant::now();
        let request = request::build(app, endpoint, &push, &self.assumptions);
        let sent = self
            .exchange
            .send(self.reach(app), endpoint, request, self.push_timeout)
            .await;
        let (code, answer, outcome) = match sent {
            Ok(answer) if answer.status == 200 => (Some(200), answer.body, Ok(())),
            Ok(answer) => {
                let why = format!("the endpoint answered status {}", answer.status);
                (Some(i32::from(answer.status)), answer.body, Err(why))
            }
            Err(error) => (None, Bytes::new(), Err(error.to_string())),
        };
        Pushed {
            mode: Mode::Webhook,
            target: endpoint.to_string(),
            code,
            took: started.elapsed(),
            answer,
            outcome,
        }
    }

    /// Asks an app for its answer to a callback, which is read whole.
    pub(crate) async fn call(&self, app: &App, endpoint: &Endpoint, push: WebhookPush, card_v1: bool) -> Reply {
        let started = Instant::now();
        let build = if card_v1 {
            request::build_card_v1
        } else {
            request::build
        };
        let request = build(app, endpoint, &push, &self.assumptions);
        let sent = self
            .exchange
            .send(self.reach(app), endpoint, request, self.push_timeout)
            .await;
        let code = sent.as_ref().ok().map(|answer| i32::from(answer.status));
        let in_time = started.elapsed() < self.push_timeout;
        let after = self.push_timeout;
        let answer = match sent {
            Ok(answer) if answer.status != 200 => Err(CallFailure::Status { status: answer.status }),
            Ok(answer) if answer.goes_on => Err(CallFailure::TooLarge {
                bytes_max: answer.body.len(),
            }),
            Ok(answer) if answer.cut_off && in_time => Err(CallFailure::Exchange {
                why: "the endpoint broke its answer off".to_owned(),
            }),
            Ok(answer) if answer.cut_off => Err(CallFailure::TimedOut { after }),
            Ok(answer) => Ok(answer.body),
            Err(error) => Err(no_answer(&error)),
        };
        Reply {
            target: endpoint.to_string(),
            code,
            answer,
        }
    }

    /// Asks an endpoint to return a random value, as Feishu does when a request URL is saved.
    pub(crate) async fn challenge(
        &self,
        app: &App,
        endpoint: &Endpoint,
        now: TimestampMs,
    ) -> Result<(), ChallengeError> {
        let challenge = request::challenge_value(crate::random::bytes());
        let body = request::challenge_body(app, &challenge);
        let push = WebhookPush {
            body,
            seed: crate::random::bytes(),
            signed_at: now,
        };
        let request = request::build(app, endpoint, &push, &self.assumptions);
        let answer = self
            .exchange
            .send(self.reach(app), endpoint, request, self.challenge_timeout)
            .await?;
        challenge::judge(&challenge, &answer, self.challenge_timeout)
    }

    fn reach(&self, app: &App) -> Reach {
        if self.allow_private_addresses || app.allow_private_addresses {
            Reach::Anywhere
        } else {
            Reach::Public
        }
    }
}

fn read_roots(path: &Path) -> Result<Vec<u8>, WebhookSetupError> {
    std::fs::read(path).map_err(|source| WebhookSetupError::RootsFile {
        path: path.to_owned(),
        source,
    })
}

/// Why a callback got no answer, as far as Feishu tells it apart.
fn no_answer(error: &ExchangeError) -> CallFailure {
    let why = error.to_string();
    match error.cause() {
        Cause::TimedOut { after } => CallFailure::TimedOut { after },
        Cause::Connect(ConnectError::Unresolved { .. }) => CallFailure::Unresolved { why },
        Cause::Connect(_) => CallFailure::Unreachable { why },
        _ => CallFailure::Exchange { why },
    }
}
