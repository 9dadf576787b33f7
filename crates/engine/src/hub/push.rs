//! Pushing over a persistent connection: one event to one session, and the wait for its ack.

use std::time::Duration;

use bytes::Bytes;
use larkspur_platform::RetryConnection;
use larkspur_store::Mode;
use larkspur_wire::endpoint::SERVICE_ID;
use larkspur_wire::frame::Outgoing;
use larkspur_wire::{AppId, EventId, MessageId, hex};
use tokio::time::{Instant, timeout_at};

use super::ack::{self, Ack};
use super::room::{Answer, NotSent, Room};
use super::session::Queued;
use super::{Hub, SessionId};
use crate::call::{CallFailure, Reply};
use crate::counters::count;
use crate::push::Pushed;

/// An event whose session ends before it is written is offered to this many more.
const REROUTES_MAX: usize = 3;

/// One envelope to push over a session. It holds the Verification Token, so it cannot be printed.
#[derive(Clone)]
pub(crate) struct SessionPush {
    /// Travels as the trace id.
    pub(crate) event_id: EventId,
    /// Names the message; a random one when absent. A split event needs a new one for each attempt, since clients
    /// keep fragments for a while.
    pub(crate) message_id: Option<MessageId>,
    /// The envelope in the clear.
    pub(crate) payload: Bytes,
    /// How long the app has, from now to its ack.
    pub(crate) timeout: Duration,
    /// The session of the attempt before.
    pub(crate) previous: Option<SessionId>,
}

/// A push that got no ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NoAck {
    #[error(transparent)]
    NotSent(#[from] NotSent),
    #[error("no ack within {} ms", .after.as_millis())]
    TimedOut { after: Duration },
}

impl Hub {
    /// Pushes one envelope to one live session of the app, and waits for the ack on whichever it comes.
    ///
    /// When the session dies meanwhile the wait goes on, since clients answer on their next connection.
    pub(crate) async fn push(&self, app: &AppId, push: SessionPush) -> Pushed {
        let started = Instant::now();
        let mut target = None;
        let acked = match self.room(app) {
            Some(room) => self.exchange(&room, push, started, &mut target).await,
            None => Err(NotSent::NoSession.into()),
        };
        let (code, answer, outcome) = match acked {
            Ok(ack) => {
                let outcome = ack::judge(&ack, &self.shared.assumptions);
                let counters = &self.shared.counters;
                count(match outcome {
                    Ok(()) => &counters.acks_ok,
                    Err(_) => &counters.acks_not_ok,
                });
                (ack.code.and_then(|code| i32::try_from(code).ok()), ack.payload, outcome)
            }
            Err(failure) => (None, Bytes::new(), Err(failure.to_string())),
        };
        let target = target.map(|session: SessionId| session.to_string()).unwrap_or_default();
        Pushed {
            mode: Mode::Websocket,
            target,
            code,
            took: started.elapsed(),
            answer,
            outcome,
        }
    }

    /// Asks the app for its answer to a callback, over one live session.
    pub(crate) async fn call(&self, app: &AppId, push: SessionPush) -> Reply {
        let mut target = None;
        let acked = match self.room(app) {
            Some(room) => self.exchange(&room, push, Instant::now(), &mut target).await,
            None => Err(NotSent::NoSession.into()),
        };
        let code = acked.as_ref().ok().and_then(|ack| ack.code);
        let answer = match acked {
            Ok(ack) => ack::answer(&ack),
            Err(NoAck::TimedOut { after }) => Err(CallFailure::TimedOut { after }),
            Err(NoAck::NotSent(NotSent::NoSession)) => Err(CallFailure::NotOnline),
            Err(failure) => Err(CallFailure::Exchange {
                why: failure.to_string(),
            }),
        };
        Reply {
            target: target.map(|session: SessionId| session.to_string()).unwrap_or_default(),
            code: code.and_then(|code| i32::try_from(code).ok()),
            answer,
        }
    }

    async fn exchange(
        &self,
        room: &std::sync::Arc<Room>,
        push: SessionPush,
        started: Instant,
        target: &mut Option<SessionId>,
    ) -> Result<Ack, NoAck> {
        let deadline = started + push.timeout;
        let preferred = match self.shared.assumptions.retry_connection {
            RetryConnection::Random => None,
            RetryConnection::Same => push.previous,
        };
        let event = Outgoing {
            service: SERVICE_ID,
            message_id: push.message_id.unwrap_or_else(random_message_id),
            trace_id: push.event_id.to_string(),
            timestamp: self.shared.clock.now(),
            payload: push.payload,
        };
        for _ in 0..=REROUTES_MAX {
            let mut waiting = room.expect(&event.message_id)?;
            let queued = Queued {
                event: event.clone(),
                deadline,
            };
            *target = Some(room.send(queued, preferred, fastrand::usize(..))?);
            match timeout_at(deadline, &mut waiting.answer).await {
                Ok(Ok(Answer::Acked(ack))) => return Ok(ack),
                Ok(Ok(Answer::Unsent)) => {}
                // The sender is dropped only together with an answer, so this does not happen.
                Ok(Err(_)) => break,
                Err(_) => {
                    return Err(NoAck::TimedOut { after: push.timeout });
                }
            }
        }
        Err(NotSent::NoSession.into())
    }
}

fn random_message_id() -> MessageId {
    hex(&crate::random::bytes::<16>())
        .parse()
        .expect("32 hexadecimal digits are a message id")
}
