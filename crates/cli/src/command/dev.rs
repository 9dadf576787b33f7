//! `larkspur dev`: a platform on this machine, with apps made ready, that says what it does.

mod demo;
mod inbox;
mod print;
mod ready;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use larkspur::{Router, ctrl_c};
use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, MovableClock};
use larkspur_platform::Settings;
use larkspur_server::{HostGuard, ServerConfig, serve};
use larkspur_store::Store;
use larkspur_store_sqlite::{OpenError, Options, SqliteStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::command::serve::now;
use crate::failure::{Exit, Failure};
use crate::home;
use crate::ui::Ui;

/// Run a platform on this machine, with three apps made ready, and print what it does.
///
/// It listens on 127.0.0.1 only, keeps its data in `.larkspur/`, and gives the apps the same credentials every time.
#[derive(Args)]
pub(crate) struct Dev {
    /// The port; 0 picks a free one.
    #[arg(long, default_value_t = 7070)]
    port: u16,
    /// The folder for the data.
    #[arg(long, default_value = home::NAME)]
    data_dir: PathBuf,
    /// Publish the five events of the official samples every few seconds, to built-in subscribers.
    #[arg(long)]
    demo: bool,
}

/// The tenant of events that name none, and of every app made ready.
const TENANT: &str = "2ca1d211f64f6438";

impl Dev {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        home::make(&self.data_dir)?;
        let store = Arc::new(self.open()?);
        let clock = MovableClock::new(now);
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let engine = Engine::start(settings(), Catalog::embedded(), shared, Arc::clone(&clock) as _).await?;
        let listener = self.listen().await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut file = ready::file(&self.data_dir, url)?;
        let inbox = if self.demo {
            demo::router(*ui, "webhook")
        } else {
            Router::new().fallback(inbox::take)
        };
        let server = ServerConfig {
            public_url: None,
            guard: HostGuard::Loopback,
            admin_token: Some(file.admin_token.as_str().into()),
            clock: Some(clock),
            mount: inbox::routes(engine.clone(), inbox),
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, None, engine.clone(), server, stop.clone()));
        let activity = engine.activity();
        ready::apps(&engine, &mut file).await?;
        file.write(&self.data_dir)?;
        print::ready(ui, &engine, &file);
        let printing = tokio::spawn(print::activity(*ui, activity, self.demo));
        let demo = self
            .demo
            .then(|| tokio::spawn(demo::run(*ui, engine.clone(), file.clone(), stop.clone())));
        ctrl_c().await;
        stop.cancel();
        if let Some(demo) = demo {
            demo.await?;
        }
        serving.await??;
        engine.shutdown().await;
        store.close().await;
        printing.abort();
        Ok(())
    }

    fn open(&self) -> Result<SqliteStore, Failure> {
        let opened = SqliteStore::open(&self.data_dir.join("larkspur.db"), &Options::default());
        opened.map_err(|error| match error {
            OpenError::InUse { .. } => Failure::new(Exit::Failed, error)
                .hint("`larkspur dev` runs here already; end it, or choose another folder with --data-dir"),
            error => Failure::new(Exit::Failed, error),
        })
    }

    async fn listen(&self) -> Result<TcpListener, Failure> {
        let bound = TcpListener::bind(("127.0.0.1", self.port)).await;
        let bound = bound.with_context(|| format!("cannot listen on 127.0.0.1:{}", self.port));
        bound.map_err(|error| {
            Failure::new(Exit::Failed, error).hint("choose another port with --port, or any with --port 0")
        })
    }
}

/// What differs from a platform for good: changes count at once, a restart is felt for seconds only, endpoints on this
/// machine are fine, and an event needs no tenant.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.apps.publish_at_once = true;
    settings.sessions.reconnect_nonce_seconds = 1;
    settings.sessions.reconnect_interval_seconds = 2;
    settings.delivery.allow_private_addresses = true;
    settings.publish.default_tenant = TENANT.parse().ok();
    settings
}
