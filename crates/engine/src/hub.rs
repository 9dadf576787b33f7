//! The hub: every live persistent connection, who may open one, and the push that waits for an ack.
//!
//! One task owns each socket (`socket`); everybody else holds a handle (`session`) in its app's room (`room`). A
//! session begins with a single-use ticket (`ticket`) that the endpoint hands out in a URL. The protocol is at
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/request-url-configuration-case>.

mod ack;
mod counters;
mod message;
mod push;
mod refusal;
mod room;
mod session;
mod socket;
#[cfg(test)]
mod tests;
mod ticket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use foldhash::HashMap;
use larkspur_platform::{Assumptions, SessionSettings};
use larkspur_wire::endpoint::{ClientConfig, ConnectionQuery};
use larkspur_wire::{AppId, Secret, hex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::activity::Activity;
use crate::clock::Clock;
use crate::counters::count;
use room::{Room, Seat};
use session::{QUEUE_MAX, Session};
use ticket::{Grant, Tickets};

pub use counters::HubCounts;
pub(crate) use push::SessionPush;
pub use refusal::{EndpointRefusal, HandshakeRefusal};
pub use session::{SessionId, SessionInfo};

/// All persistent connections of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: SessionSettings,
    assumptions: Assumptions,
    clock: Arc<dyn Clock>,
    activity: broadcast::Sender<Activity>,
    opened: mpsc::Sender<AppId>,
    client_config: ClientConfig,
    rooms: RwLock<HashMap<AppId, Arc<Room>>>,
    tickets: Mutex<Tickets>,
    counters: counters::Counters,
    stop: CancellationToken,
    running: TaskTracker,
}

/// A client that may open its connection now; the seat is given back when this is dropped unused.
#[derive(Debug)]
pub struct Admission {
    session_id: SessionId,
    seat: Seat,
}

impl Hub {
    pub(crate) fn new(
        settings: SessionSettings,
        assumptions: Assumptions,
        clock: Arc<dyn Clock>,
        activity: broadcast::Sender<Activity>,
        opened: mpsc::Sender<AppId>,
    ) -> Self {
        let ticket_ttl = Duration::from_secs(u64::from(assumptions.ticket_ttl_seconds));
        let client_config = client_config(&settings);
        Self {
            shared: Arc::new(Shared {
                settings,
                assumptions,
                clock,
                activity,
                opened,
                client_config,
                rooms: RwLock::default(),
                tickets: Mutex::new(Tickets::new(ticket_ttl)),
                counters: counters::Counters::default(),
                stop: CancellationToken::new(),
                running: TaskTracker::new(),
            }),
        }
    }

    /// A URL under which a client of the app may open one connection, soon.
    ///
    /// `base` is where clients reach the platform over HTTP; the URL has the WebSocket scheme that fits. It holds a
    /// secret and must not be logged.
    pub fn issue_url(&self, app: &AppId, base: &Url) -> Result<String, EndpointRefusal> {
        if self.shared.stop.is_cancelled() {
            return Err(EndpointRefusal::ShuttingDown);
        }
        let sessions_max = self.shared.settings.per_app_max;
        if self.room(app).is_some_and(|room| room.taken() >= sessions_max) {
            count(&self.shared.counters.refused_over_limit);
            return Err(EndpointRefusal::TooManySessions { sessions_max });
        }
        let session_id = SessionId::from_random(crate::random::bytes());
        let access_key = Secret::from(hex(&crate::random::bytes::<16>()));
        let ticket = hex(&crate::random::bytes::<16>());
        let grant = Grant {
            app_id: app.clone(),
            session_id,
            access_key: access_key.clone(),
        };
        let mut tickets = self.shared.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets
            .issue(ticket.clone(), grant, Instant::now())
            .map_err(|_| EndpointRefusal::TooManyTickets)?;
        Ok(ConnectionQuery {
            device_id: session_id.0,
            access_key,
            ticket: Secret::from(ticket),
        }
        .url(base.as_str()))
    }

    /// What clients are told about pings and reconnecting.
    pub fn client_config(&self) -> ClientConfig {
        self.shared.client_config
    }

    /// Uses the ticket in a connection URL's query, and keeps a seat for the session.
    pub fn admit(&self, query: &str) -> Result<Admission, HandshakeRefusal> {
        if self.shared.stop.is_cancelled() {
            return Err(HandshakeRefusal::ShuttingDown);
        }
        let counters = &self.shared.counters;
        let Some(grant) = self.redeem(query) else {
            count(&counters.refused_bad_ticket);
            return Err(HandshakeRefusal::BadTicket);
        };
        let sessions_max = self.shared.settings.per_app_max;
        let Some(seat) = self.room_of(&grant.app_id).reserve(sessions_max) else {
            count(&counters.refused_over_limit);
            return Err(HandshakeRefusal::TooManySessions { sessions_max });
        };
        Ok(Admission {
            session_id: grant.session_id,
            seat,
        })
    }

    fn redeem(&self, query: &str) -> Option<Grant> {
        let query = ConnectionQuery::parse(query)?;
        let mut tickets = self.shared.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = tickets.take(query.ticket.expose(), Instant::now())?;
        (grant.session_id.0 == query.device_id && grant.access_key == query.access_key).then_some(grant)
    }

    /// Runs a session on a socket whose handshake is done; returns when it ended and the socket is closed.
    pub async fn run<IO>(&self, admission: Admission, io: IO, peer: Option<SocketAddr>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = &self.shared;
        let _running = shared.running.token();
        let Admission { session_id, mut seat } = admission;
        let room = Arc::clone(&seat.room);
        let (queue, mut queued) = mpsc::channel(QUEUE_MAX);
        let session = Arc::new(Session {
            id: session_id,
            app_id: room.app_id.clone(),
            peer,
            opened_at: shared.clock.now(),
            queue,
            counts: session::Counts::default(),
        });
        let online = seat.take(Arc::clone(&session));
        count(&shared.counters.sessions_opened);
        // Whoever listens may be behind; it only makes the app's backlog go slower.
        let _ = shared.opened.try_send(room.app_id.clone());
        self.announce(Activity::SessionOpened {
            app_id: room.app_id.clone(),
            session_id,
            online,
        });
        let end = Box::pin(socket::run(io, shared, &room, &session, &mut queued)).await;
        drop(seat);
        count(&shared.counters.sessions_closed);
        let (app_id, online) = (room.app_id.clone(), room.online());
        tracing::debug!(app.id = %app_id, session.id = %session_id, online, "session ended: {end}");
        self.announce(Activity::SessionClosed {
            app_id,
            session_id,
            online,
            reason: end.to_string(),
        });
    }

    /// All live sessions, in order of app and id.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let rooms = self.shared.rooms.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = rooms
            .values()
            .flat_map(|room| room.sessions())
            .map(|session| session.describe())
            .collect();
        all.sort_by(|a, b| (&a.app_id, a.session_id).cmp(&(&b.app_id, b.session_id)));
        all
    }

    /// How many live sessions an app has.
    pub fn online(&self, app: &AppId) -> usize {
        self.room(app).map_or(0, |room| room.online())
    }

    /// What was counted since the start.
    pub fn counts(&self) -> HubCounts {
        self.shared.counters.read()
    }

    /// Ends an app's sessions, for one that was deleted or got a new secret.
    pub fn disconnect(&self, app: &AppId) {
        self.shared
            .tickets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .revoke(app);
        let room = self
            .shared
            .rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(app);
        if let Some(room) = room {
            room.stop.cancel();
        }
    }

    /// Refuses new sessions, ends all there are, and waits until their sockets are closed, but no longer than `grace`.
    pub(crate) async fn close_all(&self, grace: Duration) {
        self.shared.stop.cancel();
        self.shared.running.close();
        if timeout(grace, self.shared.running.wait()).await.is_err() {
            tracing::warn!(
                sessions = self.shared.running.len(),
                "gave up waiting for sessions to close"
            );
        }
    }

    fn room(&self, app: &AppId) -> Option<Arc<Room>> {
        self.shared
            .rooms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(app)
            .cloned()
    }

    /// The app's room, made when there is none yet. Rooms stay, one for each app that ever connected.
    fn room_of(&self, app: &AppId) -> Arc<Room> {
        if let Some(room) = self.room(app) {
            return room;
        }
        let mut rooms = self.shared.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Room::new(app.clone(), self.shared.stop.child_token()));
        let room = rooms.entry(app.clone()).or_insert_with(new);
        Arc::clone(room)
    }

    fn announce(&self, activity: Activity) {
        // Nobody may be watching.
        let _ = self.shared.activity.send(activity);
    }
}

fn client_config(settings: &SessionSettings) -> ClientConfig {
    ClientConfig {
        reconnect_count: settings.reconnect_count,
        reconnect_interval: i64::from(settings.reconnect_interval_seconds),
        reconnect_nonce: i64::from(settings.reconnect_nonce_seconds),
        ping_interval: i64::from(settings.ping_interval_seconds),
    }
}
