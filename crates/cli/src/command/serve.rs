//! `larkspur serve`: the platform for good, from a configuration file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use larkspur::{Secret, ctrl_c};
use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, MovableClock};
use larkspur_server::{ServerConfig, Tls, serve};
use larkspur_store::Store;
use larkspur_store_sqlite::{Options, SqliteStore};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::home;
use crate::ui::Ui;

/// Run the platform from a configuration file.
#[derive(Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, default_value = "larkspur.toml")]
    config: PathBuf,
}

const TOKEN_VARIABLE: &str = "LARKSPUR_ADMIN_TOKEN";
/// Shorter tokens could be guessed.
const TOKEN_CHARS_MIN: usize = 20;

impl Serve {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let config = Config::read(&self.config).map_err(|error| Failure::new(Exit::Usage, error))?;
        let admin_token = admin_token(&config)?;
        let tls = match &config.tls {
            Some(tls) => Some(Tls::from_pem_files(&tls.certificate, &tls.key)?),
            None => None,
        };
        home::make(&config.data)?;
        let store = Arc::new(SqliteStore::open(
            &config.data.join("larkspur.db"),
            &Options::default(),
        )?);
        let clock = MovableClock::new(now);
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let engine = Engine::start(config.settings(), Catalog::embedded(), shared, clock).await?;
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let server = ServerConfig {
            public_url: config.public_url,
            admin_token: Some(admin_token),
            ..ServerConfig::default()
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, tls, engine.clone(), server, stop.clone()));
        ui.result(&json!({ "ready": true, "listen": address }), || {
            format!("ready, listening on {address}")
        });
        ctrl_c().await;
        stop.cancel();
        serving.await??;
        engine.shutdown().await;
        store.close().await;
        Ok(())
    }
}

/// The time of day.
pub(crate) fn now() -> larkspur::TimestampMs {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    larkspur::TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn admin_token(config: &Config) -> Result<Secret, Failure> {
    let from_file =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()));
    let token = match (std::env::var(TOKEN_VARIABLE), &config.admin_token_file) {
        (Ok(token), _) => token,
        (Err(_), Some(path)) => from_file(path)?,
        (Err(_), None) => String::new(),
    };
    let token = token.trim();
    if token.len() < TOKEN_CHARS_MIN {
        let failure = Failure::msg(
            Exit::Usage,
            format!("an admin token of at least {TOKEN_CHARS_MIN} characters is needed"),
        );
        return Err(failure.hint(format!(
            "make one with `openssl rand -hex 32`, and give it in {TOKEN_VARIABLE} or in the file that \
             `admin_token_file` names"
        )));
    }
    Ok(token.into())
}
