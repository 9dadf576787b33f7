//! `larkspur serve`: the platform for good, from a configuration file.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use larkspur::Secret;
use larkspur_server::{ServerConfig, Tls};
use serde_json::json;

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::platform::{Platform, listen};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Example:
  echo 'listen = \"127.0.0.1:7070\"' > larkspur.toml
  LARKSPUR_ADMIN_TOKEN=$(openssl rand -hex 32) larkspur serve

An admin token of at least 20 characters is needed: in LARKSPUR_ADMIN_TOKEN, or in the file that `admin_token_file`
in the configuration names.";

/// Run the platform from a configuration file.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "larkspur.toml")]
    config: PathBuf,
}

const TOKEN_VARIABLE: &str = "LARKSPUR_ADMIN_TOKEN";
/// Shorter tokens could be guessed.
const TOKEN_CHARS_MIN: usize = 20;

impl Serve {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let config = Config::read(&self.config).map_err(|error| {
            Failure::new(Exit::Usage, error)
                .with_hint("the least it must hold is the line `listen = \"127.0.0.1:7070\"`; docs/cli.md has it all")
        })?;
        let admin_token = admin_token(&config)?;
        let tls = match &config.tls {
            Some(tls) => Some(Tls::from_pem_files(&tls.certificate, &tls.key).map_err(|error| {
                Failure::new(Exit::Usage, error)
                    .with_hint("`certificate` and `key` in [tls] name PEM files: the chain, and its private key")
            })?),
            None => None,
        };
        let listener = listen(config.listen)
            .with_context(|| format!("cannot listen on {}", config.listen))
            .map_err(|error| {
                Failure::new(Exit::Failed, error).with_hint("change `listen`, or end what listens there")
            })?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let platform = Platform::open(&config.data, config.settings()).await?;
        let server = ServerConfig {
            public_url: config.public_url,
            admin_token: Some(admin_token),
            ..ServerConfig::default()
        };
        let running = platform.serve(listener, tls, server);
        let url = format!("{scheme}://{address}");
        ui.result(&json!({ "ready": true, "listen": address, "url": url }), || {
            format!("ready   {url}")
        });
        running.until_stopped(ui).await
    }
}

fn admin_token(config: &Config) -> Result<Secret, Failure> {
    let from_file = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .with_context(|| format!("`admin_token_file`, `{}`, cannot be read", path.display()))
    };
    let token = match (std::env::var(TOKEN_VARIABLE), &config.admin_token_file) {
        (Ok(token), _) => token,
        (Err(_), Some(path)) => from_file(path).map_err(|error| Failure::new(Exit::Usage, error))?,
        (Err(_), None) => String::new(),
    };
    let token = token.trim();
    if token.len() < TOKEN_CHARS_MIN {
        let needed = format!("an admin token of at least {TOKEN_CHARS_MIN} characters is needed");
        return Err(Failure::msg(Exit::Usage, needed).with_hint(format!(
            "make one with `openssl rand -hex 32`, and give it in {TOKEN_VARIABLE} or in the file that \
             `admin_token_file` names"
        )));
    }
    Ok(token.into())
}
