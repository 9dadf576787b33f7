//! What every handler shares.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use larkspur_engine::{Engine, MovableClock};
use larkspur_store::StoreError;
use larkspur_wire::TimestampMs;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::auth::Tokens;
use crate::body::Intake;
use crate::open::Calls;
use crate::problem::Problem;
use crate::{HostGuard, ServerConfig};

/// The engine, and what the server keeps besides.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) tokens: Tokens,
    pub(crate) calls: Calls,
    pub(crate) clock: Option<Arc<MovableClock>>,
    pub(crate) public_url: Option<Url>,
    /// The places of connections; each holds one as long as it is open.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) intake: Intake,
    /// One copy of the store is made and sent at a time.
    pub(crate) backups: Arc<Semaphore>,
    guard: HostGuard,
    refusals: Mutex<BTreeMap<String, u64>>,
    malformed: AtomicU64,
    accepts_failed: AtomicU64,
}

/// Connections open at once, sessions included; the next ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;

/// Room for so many of the largest requests at once; of others there may be thousands.
const LARGEST_BODIES: usize = 4;

impl Server {
    /// Takes the parts of the configuration and reads the tokens.
    pub(crate) async fn start(engine: Engine, config: &ServerConfig) -> Result<Self, StoreError> {
        let tokens = Tokens::load(engine.store().as_ref(), config.admin_token.as_ref()).await?;
        Ok(Self {
            tokens,
            calls: Calls::default(),
            clock: config.clock.clone(),
            public_url: config.public_url.clone(),
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            intake: Intake::new(LARGEST_BODIES, engine.settings().publish.body_bytes_max),
            backups: Arc::new(Semaphore::new(1)),
            guard: config.guard,
            refusals: Mutex::default(),
            malformed: AtomicU64::default(),
            accepts_failed: AtomicU64::default(),
            engine,
        })
    }

    /// The engine's time.
    pub(crate) fn now(&self) -> TimestampMs {
        self.engine.clock().now()
    }

    /// Refuses foreign hosts and origins.
    pub(crate) fn guard(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.guard.check(headers, self.public_url.as_ref())
    }

    /// Counts a refusal by its code.
    pub(crate) fn count_refusal(&self, code: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match refusals.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                refusals.insert(code.to_owned(), 1);
            }
        }
    }

    /// Connections open now.
    pub(crate) fn connections_open(&self) -> usize {
        CONNECTIONS_MAX - self.slots.available_permits()
    }

    /// Counts a connection that brought no HTTP.
    pub(crate) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections brought no HTTP.
    pub(crate) fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Counts a time at which no connection could be accepted.
    pub(crate) fn count_accept_failed(&self) {
        self.accepts_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often no connection could be accepted.
    pub(crate) fn accepts_failed(&self) -> u64 {
        self.accepts_failed.load(Ordering::Relaxed)
    }

    /// How many requests were refused, by code.
    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The connection a request came by.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Whether it is TLS.
    pub(crate) secure: bool,
    /// Its place among the connections the server takes; a session keeps it after the upgrade.
    pub(crate) slot: Arc<OwnedSemaphorePermit>,
}
