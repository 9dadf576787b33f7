//! One app's sessions, and the pushes that wait for an ack on any of them.
//!
//! Acks are matched here and not per session: Go, Node and Java answer on a new connection when the old one was lost
//! while the handler ran.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larkspur_wire::{AppId, MessageId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::SessionId;
use super::ack::Ack;
use super::session::{Queued, Session};

/// Pushes of one app that may wait for an ack at once; the engine sends far fewer.
const WAITING_MAX: usize = 10_000;

/// One app's sessions and waiting pushes.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) app_id: AppId,
    /// Ends all of the app's sessions, also those that are just being opened.
    pub(super) stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: Vec<Arc<Session>>,
    /// Handshakes that were admitted and whose session has not begun yet.
    expected: usize,
    waiting: HashMap<MessageId, oneshot::Sender<Answer>>,
}

/// What a waiting push hears.
#[derive(Debug)]
pub(super) enum Answer {
    Acked(Ack),
    /// The session ended before the event was written to it.
    Unsent,
}

/// Why an event was not handed to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSent {
    #[error("no live session of the app")]
    NoSession,
    #[error("the queue of every live session of the app is full")]
    AllFull,
    #[error("a push with the same message id is on its way already")]
    SameMessage,
    #[error("{WAITING_MAX} pushes of the app wait for acks already")]
    TooMany,
}

impl Room {
    pub(super) fn new(app_id: AppId, stop: CancellationToken) -> Self {
        Self {
            app_id,
            stop,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Live sessions and those that are just being opened.
    pub(super) fn taken(&self) -> usize {
        let state = self.state();
        state.sessions.len() + state.expected
    }

    pub(super) fn online(&self) -> usize {
        self.state().sessions.len()
    }

    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        self.state().sessions.clone()
    }

    /// Keeps a seat for one session, unless `seats_max` are taken.
    pub(super) fn reserve(self: &Arc<Self>, seats_max: usize) -> Option<Seat> {
        let mut state = self.state();
        if state.sessions.len() + state.expected >= seats_max {
            return None;
        }
        state.expected += 1;
        Some(Seat {
            room: Arc::clone(self),
            session: None,
        })
    }

    /// Announces a push, so that no ack can come before somebody waits for it.
    pub(super) fn expect(self: &Arc<Self>, message_id: &MessageId) -> Result<Waiting, NotSent> {
        let mut state = self.state();
        if state.waiting.len() >= WAITING_MAX {
            return Err(NotSent::TooMany);
        }
        let Entry::Vacant(entry) = state.waiting.entry(message_id.clone()) else {
            return Err(NotSent::SameMessage);
        };
        let (sender, answer) = oneshot::channel();
        entry.insert(sender);
        Ok(Waiting {
            room: Arc::clone(self),
            message_id: message_id.clone(),
            answer,
        })
    }

    /// Tells the push that waits for this message; answers whether one did.
    pub(super) fn answer(&self, message_id: &MessageId, answer: Answer) -> bool {
        let waiting = self.state().waiting.remove(message_id);
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    /// Queues an event at the preferred session if it lives, else at the one that `start` falls on; a session whose
    /// queue is full is passed over.
    pub(super) fn send(
        &self,
        mut queued: Queued,
        preferred: Option<SessionId>,
        start: usize,
    ) -> Result<SessionId, NotSent> {
        let state = self.state();
        let n_sessions = state.sessions.len();
        if n_sessions == 0 {
            return Err(NotSent::NoSession);
        }
        let preferred = preferred.and_then(|id| state.sessions.iter().position(|session| session.id == id));
        let start = preferred.unwrap_or(start % n_sessions);
        let mut failure = NotSent::NoSession;
        for idx in (start..n_sessions).chain(0..start) {
            let session = &state.sessions[idx];
            queued = match session.queue.try_send(queued) {
                Ok(()) => return Ok(session.id),
                // It is just ending.
                Err(TrySendError::Closed(queued)) => queued,
                Err(TrySendError::Full(queued)) => {
                    failure = NotSent::AllFull;
                    queued
                }
            };
        }
        Err(failure)
    }
}

/// One place among an app's sessions; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) room: Arc<Room>,
    session: Option<SessionId>,
}

impl Seat {
    /// Puts the session on its seat: from now on events may go to it. Answers how many the app has.
    pub(super) fn take(&mut self, session: Arc<Session>) -> usize {
        let mut state = self.room.state();
        if self.session.replace(session.id).is_none() {
            state.expected -= 1;
        }
        state.sessions.push(session);
        state.sessions.len()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.room.state();
        match self.session {
            Some(id) => state.sessions.retain(|session| session.id != id),
            None => state.expected -= 1,
        }
    }
}

/// A push that waits for its ack; when dropped, an ack that still comes is late.
#[derive(Debug)]
pub(super) struct Waiting {
    room: Arc<Room>,
    message_id: MessageId,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Closed first, so that the entry of a later push of the same message is told apart from this one's.
        self.answer.close();
        let mut state = self.room.state();
        if state
            .waiting
            .get(&self.message_id)
            .is_some_and(oneshot::Sender::is_closed)
        {
            state.waiting.remove(&self.message_id);
        }
    }
}
