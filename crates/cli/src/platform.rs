//! A platform in this process: opened over a folder, served, and ended in order. `dev` and `serve` are two ways to
//! configure it.

use std::io;
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
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};
use crate::home;

const DATABASE: &str = "larkspur.db";

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
    stop: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
    signalled: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Platform {
    /// Opens the data in a folder, which is made when there is none, and starts to push what is due.
    pub(crate) async fn open(data: &Path, settings: Settings) -> Result<Self, Failure> {
        home::make(data)?;
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
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, tls, self.engine.clone(), config, stop.clone()));
        Served {
            engine: self.engine,
            store: self.store,
            stop,
            serving,
            // From here on a signal ends it in order, even before anybody waits for one.
            signalled: Box::pin(ctrl_c()),
        }
    }
}

impl Served {
    /// Is cancelled when the platform ends.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for Ctrl-C or SIGTERM, or for the server to fail, and ends everything: no more requests, then no more
    /// pushes, then the store.
    pub(crate) async fn until_stopped(mut self) -> Result<(), Failure> {
        let ended = tokio::select! {
            () = &mut self.signalled => {
                self.stop.cancel();
                (&mut self.serving).await
            }
            ended = &mut self.serving => ended,
        };
        self.stop.cancel();
        self.engine.shutdown().await;
        self.store.close().await;
        ended.context("the server ended")??;
        Ok(())
    }
}

/// The time of day.
pub(crate) fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
