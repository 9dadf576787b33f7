//! A platform in this process: opened over a folder, served, and ended in order. `dev` and `serve` are two ways to
//! configure it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use larkspur::{TimestampMs, ctrl_c};
use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, MovableClock};
use larkspur_platform::Settings;
use larkspur_server::{ServerConfig, Tls, serve};
use larkspur_store::Store;
use larkspur_store_sqlite::{OpenError, Options, SqliteStore};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::home;
use crate::ui::Ui;

/// The database's name in the folder for the data.
pub(crate) const DATABASE: &str = "larkspur.db";

/// A platform that runs, and is not served yet.
pub(crate) struct Platform {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<MovableClock>,
    store: Arc<SqliteStore>,
}

/// A platform that answers requests.
pub(crate) struct Served {
    engine: Engine,
    store: Arc<SqliteStore>,
    /// Cancelled when the platform begins to end.
    stop: CancellationToken,
    /// Cancelled when nothing is to be answered any more: after the pushes, some of which may come back here.
    close: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
    signalled: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Platform {
    /// Opens the data in a folder, which is made when there is none, and starts to push what is due.
    pub(crate) async fn open(data: &Path, settings: Settings) -> Result<Self, Failure> {
        home::make(data)?;
        #[cfg(unix)]
        raise_descriptor_limit();
        let opened = SqliteStore::open(&data.join(DATABASE), &Options::default());
        let store = Arc::new(opened.map_err(|error| {
            match error {
                OpenError::InUse { .. } => Failure::new(Exit::Failed, error)
                    .with_hint("a platform runs here already; end it, or choose another folder for the data"),
                error => Failure::new(Exit::Failed, error)
                    .with_hint("check that the folder is yours to write, and that no newer version wrote it"),
            }
        })?);
        let clock = MovableClock::new(now);
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let engine = Engine::start(settings, Catalog::embedded(), shared, Arc::clone(&clock) as _).await?;
        Ok(Self { engine, clock, store })
    }

    /// Answers requests from now on.
    pub(crate) fn serve(self, listener: TcpListener, tls: Option<Tls>, config: ServerConfig) -> Served {
        let close = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, tls, self.engine.clone(), config, close.clone()));
        Served {
            engine: self.engine,
            store: self.store,
            stop: CancellationToken::new(),
            close,
            serving,
            // From here on a signal ends it in order, even before anybody waits for one.
            signalled: Box::pin(ctrl_c()),
        }
    }
}

/// Connections that wait to be accepted; the next ones come a second late, or more. The system may allow fewer.
const BACKLOG: u32 = 4_096;

/// Listens, with a queue for as many as may come back at once after a restart.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Or a restart would have to wait until the connections of the last run are forgotten. On Windows it would let another
    // program take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Every connection is a file descriptor, and the usual limit of 1,024 is there for programs that use `select`. What the
/// system allows at most stays its administrator's.
#[cfg(unix)]
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, max = limit.current, "the limit of open files stays as it is");
    }
}

impl Served {
    /// Is cancelled when the platform begins to end.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for Ctrl-C or SIGTERM, or for the server to fail, and ends everything in order. A second signal ends it at
    /// once.
    pub(crate) async fn until_stopped(mut self, ui: &Ui) -> Result<(), Failure> {
        let failed = tokio::select! {
            () = &mut self.signalled => None,
            ended = &mut self.serving => Some(ended),
        };
        self.stop.cancel();
        let again = ctrl_c();
        tokio::select! {
            ended = self.end(failed, ui) => ended,
            () = again => at_once(ui),
        }
    }

    /// No more events, then no more pushes, no more requests, no more sessions; then the store.
    async fn end(&mut self, failed: Option<Ending>, ui: &Ui) -> Result<(), Failure> {
        self.engine.drain().await;
        self.close.cancel();
        let ended = match failed {
            Some(ended) => ended,
            None => (&mut self.serving).await,
        };
        self.engine.shutdown().await;
        let left = self.engine.store().depth().await;
        self.store.close().await;
        ended.context("the server ended")??;
        say_what_is_left(ui, left.context("what is left cannot be counted")?.pending);
        Ok(())
    }
}

/// How the server's task ended.
type Ending = Result<io::Result<()>, JoinError>;

fn say_what_is_left(ui: &Ui, pending: u64) {
    ui.result(&json!({ "stopped": true, "pending": pending }), || match pending {
        0 => "stopped   nothing is left to be pushed".to_owned(),
        1 => "stopped   1 delivery is left; the next start pushes it when it is due".to_owned(),
        n => format!("stopped   {n} deliveries are left; the next start pushes them when they are due"),
    });
}

#[expect(
    clippy::exit,
    reason = "whoever asks twice wants no more order, and the store survives that"
)]
fn at_once(ui: &Ui) -> ! {
    ui.note("ended at once; what was on its way is pushed again after the next start");
    std::process::exit(Exit::Failed as i32)
}

/// The time of day.
pub(crate) fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
