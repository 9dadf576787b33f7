//! One live persistent connection, as everybody but its own task sees it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use larkspur_wire::frame::Outgoing;
use larkspur_wire::{AppId, TimestampMs};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Names one persistent connection; its `device_id` in the connection URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl SessionId {
    /// Positive as a signed number too, since clients may read it as one.
    pub(super) fn from_random(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes) >> 1)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One live persistent connection, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id.
    pub session_id: SessionId,
    /// The app it belongs to.
    pub app_id: AppId,
    /// Where the client connects from, when known.
    pub peer: Option<SocketAddr>,
    /// When the handshake ended.
    pub opened_at: TimestampMs,
    /// When the client's last ping came.
    pub last_ping_at: Option<TimestampMs>,
    /// Events written to it.
    pub pushed: u64,
    /// Acks received from it, for whichever session the event went out on.
    pub acked: u64,
}

/// One event on its way to a session's task.
pub(super) struct Queued {
    pub(super) event: Outgoing,
    /// After this nobody waits for the ack, so it is not written any more.
    pub(super) deadline: Instant,
}

/// Events that may wait for one session; more than are in flight to one app by default.
pub(super) const QUEUE_MAX: usize = 256;

/// The handle of one session; its task owns the socket.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) app_id: AppId,
    pub(super) peer: Option<SocketAddr>,
    pub(super) opened_at: TimestampMs,
    pub(super) queue: mpsc::Sender<Queued>,
    pub(super) counts: Counts,
}

/// What a session's task writes down as it goes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) pushed: AtomicU64,
    pub(super) acked: AtomicU64,
    /// 0 until the first ping.
    pub(super) last_ping_at_ms: AtomicI64,
}

impl Session {
    pub(super) fn describe(&self) -> SessionInfo {
        let last_ping_at_ms = self.counts.last_ping_at_ms.load(Ordering::Relaxed);
        SessionInfo {
            session_id: self.id,
            app_id: self.app_id.clone(),
            peer: self.peer,
            opened_at: self.opened_at,
            last_ping_at: (last_ping_at_ms != 0).then_some(TimestampMs(last_ping_at_ms)),
            pushed: self.counts.pushed.load(Ordering::Relaxed),
            acked: self.counts.acked.load(Ordering::Relaxed),
        }
    }
}
