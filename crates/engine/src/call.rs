//! Calling: a callback is pushed to one app, once, and its answer goes back to the caller.
//!
//! Nothing is stored and nothing is tried again: somebody has tapped a button and waits. The deadline and the codes
//! that Feishu's clients show are at
//! <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication>.

mod failure;

use std::time::Duration;

use bytes::Bytes;
use larkspur_catalog::PayloadError;
use larkspur_platform::{Call, Planned};
use larkspur_store::Mode;
use larkspur_wire::{AppId, EventId, EventType};
use serde_json::Value;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::counters::count;
use crate::engine::Engine;
use crate::hub::SessionPush;
use crate::webhook::{Endpoint, WebhookPush};

pub use failure::{CallError, CallFailure};

/// Calls that may be under way at once in the whole platform: each may hold an answer, a socket and a caller for 3 s.
pub(crate) const CALLS_MAX: usize = 1_000;

/// What an app answered.
#[derive(Clone, Debug)]
pub struct Called {
    /// Names the call: the header's event id, where the form has one.
    pub event_id: EventId,
    /// What was asked.
    pub event_type: EventType,
    /// Who answered.
    pub app_id: AppId,
    /// How the app was asked.
    pub mode: Mode,
    /// From the first step to the answer.
    pub took: Duration,
    /// The answer, an object; `None` when the app had nothing to say.
    pub answer: Option<Value>,
    /// What in the answer does not fit the catalogue, at most 20.
    pub misfits: Vec<PayloadError>,
}

/// What came back from an app.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The endpoint's host and path, or the session's id; empty when there was nowhere to go.
    pub(crate) target: String,
    /// HTTP status or ack code, when one came.
    pub(crate) code: Option<i32>,
    /// The answer's bytes; empty when the app answered nothing.
    pub(crate) answer: Result<Bytes, CallFailure>,
}

impl Engine {
    /// Asks the one app that a callback is for, and answers what it answered, within the time a push has.
    pub async fn call(&self, call: Call<'_>) -> Result<Called, CallError> {
        let counts = self.counts();
        let refused = |error: CallError| {
            count(&counts.calls_refused);
            error
        };
        let apps = self.apps();
        let callee = call.callee(apps.iter()).map_err(|error| refused(error.into()))?;
        let busy = CallError::Busy { calls_max: CALLS_MAX };
        let _slot = self.calls().try_acquire().map_err(|_| refused(busy))?;
        let event_id = EventId::mint(crate::random::bytes());
        let started = Instant::now();
        let reply = self.ask(&call, &callee, &event_id).await;
        let took = started.elapsed();
        let answer = reply.answer.and_then(|bytes| self.read(&bytes));
        count(if answer.is_ok() {
            &counts.calls_answered
        } else {
            &counts.calls_failed
        });
        self.announce(|| Activity::Called {
            event_id: event_id.clone(),
            event_type: call.event_type.clone(),
            app_id: callee.app.id.clone(),
            mode: callee.mode,
            target: reply.target,
            code: reply.code,
            took,
            error: answer.as_ref().err().map(ToString::to_string),
        });
        match answer {
            Ok(answer) => Ok(Called {
                event_id,
                app_id: callee.app.id.clone(),
                mode: callee.mode,
                took,
                misfits: answer
                    .as_ref()
                    .map_or_else(Vec::new, |answer| call.facts.reply_misfits(answer)),
                answer,
                event_type: call.event_type,
            }),
            Err(failure) => Err(CallError::Failed {
                event_type: call.event_type,
                app_id: callee.app.id.clone(),
                failure,
            }),
        }
    }

    async fn ask(&self, call: &Call<'_>, callee: &Planned, event_id: &EventId) -> Reply {
        let (app, now) = (&callee.app, self.clock().now());
        let instead = self.settings().assumptions.withheld_field;
        let body = Bytes::from(call.render(callee, event_id, now, instead, crate::random::bytes()));
        match callee.mode {
            Mode::Websocket => {
                let push = SessionPush {
                    event_id: event_id.clone(),
                    message_id: None,
                    payload: body,
                    timeout: self.settings().delivery.push_timeout(),
                    previous: None,
                };
                self.hub().call(&app.id, push).await
            }
            Mode::Webhook => match Endpoint::parse(app.callback_url.as_deref().unwrap_or_default()) {
                Ok(endpoint) => {
                    let push = WebhookPush {
                        body,
                        seed: crate::random::bytes(),
                        signed_at: now,
                    };
                    self.webhook().call(app, &endpoint, push, call.is_card_v1()).await
                }
                Err(error) => Reply {
                    target: String::new(),
                    code: None,
                    answer: Err(CallFailure::BadUrl { why: error.to_string() }),
                },
            },
        }
    }

    /// The answer as an object, or nothing: Go answers `null` for it, and others no bytes at all.
    fn read(&self, bytes: &[u8]) -> Result<Option<Value>, CallFailure> {
        let bytes_max = self.settings().delivery.answer_bytes_max;
        if bytes.len() > bytes_max {
            return Err(CallFailure::TooLarge { bytes_max });
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Null) => Ok(None),
            Ok(answer @ Value::Object(_)) => Ok(Some(answer)),
            Ok(_) => Err(CallFailure::NotAnAnswer {
                detail: "the answer is JSON, but no object".to_owned(),
            }),
            Err(error) => Err(CallFailure::NotAnAnswer {
                detail: format!("the answer is not JSON: {error}"),
            }),
        }
    }
}
