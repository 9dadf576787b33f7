//! The persistent connection: asks for a URL, connects, receives, comes back when the connection is lost.

mod backoff;
mod client;
mod dial;
mod error;
mod handling;
mod heartbeat;
mod lifecycle;
mod link;
mod report;
mod session;
mod slots;
mod status;
mod trouble;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::App;
use crate::dispatch::Dispatcher;
use crate::router::Router;
use client::Client;
use dial::Dialer;
use handling::Handling;
use lifecycle::Lifecycle;
use status::Reporter;

pub use error::ConnectError;
pub use report::Report;
pub use status::{ConnectionState, Status};
pub use trouble::{Severity, Trouble};

/// Handlers have this long to end after a shutdown, unless it is set.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A client of one app, ready to connect: await it, within a tokio runtime.
///
/// Handlers run on the runtime that awaits it. The connection has a thread of its own, so that handlers which block
/// every worker of the runtime do not stop its heartbeats. Dropping the future closes the connection; handlers that run
/// are not cancelled.
#[must_use = "a client connects when it is awaited"]
pub struct Connect {
    app: App,
    router: Router,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    drain_limit: Duration,
    reporter: Reporter,
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
    ///
    /// A process may have any number of clients, of one app or of several: they know nothing of each other.
    pub fn connect(&self, router: Router) -> Connect {
        Connect {
            app: self.clone(),
            router,
            shutdown: Box::pin(std::future::pending()),
            drain_limit: DRAIN_LIMIT,
            reporter: Reporter::new(),
        }
    }
}

impl Connect {
    /// Stops when the future completes: refuses further events, which the platform then pushes again, lets the handlers
    /// end, acknowledges what they did and closes the connection. The [`Report`] names what was left.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// How long handlers have to end after a shutdown, 10 s unless it is set.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// A view of what the client is doing, for probes; it works from now on until after the client has ended.
    pub fn status(&self) -> Status {
        self.reporter.status()
    }

    async fn run(self) -> Result<Report, ConnectError> {
        let dispatcher = Dispatcher::new(self.router)?;
        let (desk, mail, orders) = link::link();
        let client = Client {
            app_id: self.app.id.clone(),
            dialer: Dialer::new(&self.app)?,
            life: Lifecycle::new(self.app.way.reconnect_waits.clone()),
            desk,
            reporter: self.reporter,
            write_limit: self.app.way.io_timeout,
        };
        let handling = Handling::new(self.app.id.clone(), dispatcher, mail, orders);
        let ending = client.start()?;
        // In a task, since the future that is awaited may not run on a worker of the runtime, where tasks start faster.
        let mut handling = Aborting(tokio::spawn(handling.run(self.shutdown, self.drain_limit, ending)));
        match (&mut handling.0).await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ConnectError::Broken),
            },
        }
    }
}

/// A task that ends with whoever waits for it.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
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
