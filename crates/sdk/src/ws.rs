//! The persistent connection: asks for a URL, connects, receives, comes back when the connection is lost.

mod backoff;
mod dial;
mod online;
mod tls;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use larkspur_wire::code;

use crate::app::App;
use crate::router::{Router, RouterError};
use backoff::{Backoff, Next};
use dial::{DialError, Dialer};
use online::{Ended, Work};

/// A client of one app, ready to connect: await it.
#[must_use = "a client connects when it is awaited"]
pub struct Connect {
    app: App,
    router: Router,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Why a client gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The router is wrong.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The certificates cannot be used.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// The platform refuses the app, and trying again would not help.
    #[error("the platform refuses the app with code {code} ({msg}): {}", advice(*code))]
    Refused {
        /// The platform's code.
        code: i64,
        /// The platform's words.
        msg: String,
    },
    /// The platform allows no more tries.
    #[error("no connection after {tries} tries, which is all the platform allows; the last one failed: {reason}")]
    Exhausted {
        /// How many.
        tries: i64,
        /// Why the last one failed.
        reason: String,
    },
}

fn advice(code: i64) -> String {
    code::explain(code).map_or_else(
        || "nobody has documented this code".to_owned(),
        |(meaning, fix)| format!("{meaning}; {fix}"),
    )
}

/// What a client did until it was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Events that arrived, repeats included.
    pub received: u64,
    /// Events that a handler took.
    pub handled: u64,
    /// Events that a handler failed on, which the platform pushes again.
    pub failed: u64,
    /// Events that went to the inbox, to be handled from there.
    pub stored: u64,
    /// Repeats of events that had been handled.
    pub repeated: u64,
    /// Events that were too old to be handled.
    pub stale: u64,
    /// Events that no handler was there for.
    pub unhandled: u64,
    /// How often the connection was opened.
    pub connections: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            handled,
            failed,
            stored,
            repeated,
            stale,
            unhandled,
            connections,
        } = self;
        write!(f, "received {received} events over {connections} connections: ")?;
        write!(
            f,
            "{handled} handled, {failed} failed, {stored} stored, {repeated} repeated, {stale} too old, "
        )?;
        write!(f, "{unhandled} without a handler")
    }
}

/// Completes when the process is asked to stop: Ctrl-C, or on Unix SIGTERM. It listens from the call on, which needs a
/// tokio runtime.
pub fn ctrl_c() -> impl Future<Output = ()> + Send + 'static {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    };
    async move {
        #[cfg(unix)]
        if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => return,
            }
        }
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler for the signal there is nothing to wait for; the default action ends the process.
            std::future::pending::<()>().await;
        }
    }
}

impl App {
    /// A client that receives over a persistent connection. Awaiting it returns when it is shut down, or when the
    /// platform refuses the app for good; a lost connection is opened again.
    pub fn connect(&self, router: Router) -> Connect {
        Connect {
            app: self.clone(),
            router,
            shutdown: Box::pin(std::future::pending()),
        }
    }
}

impl Connect {
    /// Stops when the future completes: takes no more events, lets the handlers end and acknowledges what they did.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    async fn run(mut self) -> Result<Report, ConnectError> {
        let mut work = Work::new(self.router, self.app.id.clone())?;
        let dialer = Dialer::new(&self.app)?;
        let mut backoff = Backoff::default();
        loop {
            let dialled = tokio::select! {
                () = &mut self.shutdown => return Ok(work.finish(None).await),
                dialled = dialer.dial() => dialled,
            };
            let next = match dialled {
                Ok(connection) => {
                    backoff.online(connection.config);
                    tracing::info!(app.id = %self.app.id, "online conn={} app={}", connection.name, self.app.id);
                    match online::run(connection, &mut work, &mut backoff, &mut self.shutdown).await {
                        Ended::ShutDown(socket) => return Ok(work.finish(Some(*socket)).await),
                        Ended::Lost(reason) => backoff.lost(reason, fastrand::f64()),
                    }
                }
                Err(DialError::Fatal { code, msg }) => {
                    let error = ConnectError::Refused { code, msg };
                    tracing::error!(app.id = %self.app.id, "fatal: {error}");
                    return Err(error);
                }
                Err(DialError::Retry(reason)) => backoff.failed(reason, fastrand::f64()),
            };
            let (wait, tries, reason) = match next {
                Next::Wait { wait, tries, reason } => (wait, tries, reason),
                Next::GiveUp { tries, reason } => return Err(ConnectError::Exhausted { tries, reason }),
            };
            tracing::warn!(app.id = %self.app.id, "reconnecting in {} (attempt {tries}): {reason}", seconds(wait));
            tokio::select! {
                () = &mut self.shutdown => return Ok(work.finish(None).await),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

fn seconds(wait: Duration) -> String {
    format!("{:.1}s", wait.as_secs_f32())
}

impl IntoFuture for Connect {
    type Output = Result<Report, ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("app", &self.app)
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
