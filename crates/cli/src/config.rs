//! The configuration file of `serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use larkspur_platform::{
    AgainSettings, AppSettings, Assumptions, DeliverySettings, MetricsSettings, PublishSettings, RetentionSettings,
    SessionSettings, Settings, ShutdownSettings,
};
use serde::Deserialize;
use url::Url;

/// `larkspur.toml`. Everything has a default but where to listen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address and port, for example `0.0.0.0:7070`.
    pub(crate) listen: SocketAddr,
    /// The folder for the data; made when there is none.
    #[serde(default = "default_data")]
    pub(crate) data: PathBuf,
    /// How others reach the platform; connection URLs lead there.
    pub(crate) public_url: Option<Url>,
    /// A file that holds the admin token; the variable `LARKSPUR_ADMIN_TOKEN` goes before it.
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Serve HTTPS and `wss://` with this certificate.
    pub(crate) tls: Option<TlsConfig>,
    #[serde(default)]
    delivery: DeliverySettings,
    #[serde(default)]
    sessions: SessionSettings,
    #[serde(default)]
    publish: PublishSettings,
    #[serde(default)]
    apps: AppSettings,
    #[serde(default)]
    shutdown: ShutdownSettings,
    #[serde(default)]
    metrics: MetricsSettings,
    #[serde(default)]
    retention: RetentionSettings,
    #[serde(default)]
    again: AgainSettings,
    #[serde(default)]
    assumptions: Assumptions,
}

/// Where certificate and key are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// The certificate chain, PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, PEM.
    pub(crate) key: PathBuf,
}

fn default_data() -> PathBuf {
    PathBuf::from("larkspur-data")
}

impl Config {
    /// Reads a file; an unknown key or a value out of its range is an error that names it.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let wrong = || format!("`{}` is wrong", path.display());
        let config: Self = toml::from_str(&text).with_context(wrong)?;
        config.settings().validate().with_context(wrong)?;
        Ok(config)
    }

    /// The platform's part.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            delivery: self.delivery.clone(),
            sessions: self.sessions.clone(),
            publish: self.publish.clone(),
            apps: self.apps.clone(),
            shutdown: self.shutdown.clone(),
            metrics: self.metrics.clone(),
            retention: self.retention.clone(),
            again: self.again.clone(),
            assumptions: self.assumptions.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_defaults_and_unknown_keys_are_named() {
        let config: Config = toml::from_str("listen = \"127.0.0.1:1\"\n[delivery]\nretry_seconds = [1, 2]").unwrap();
        assert_eq!(config.settings().delivery.retry_seconds, [1, 2]);
        assert_eq!(config.settings().delivery.push_timeout_ms, 3_000);
        let error = toml::from_str::<Config>("listen = \"127.0.0.1:1\"\n[delivery]\nretries = 3").unwrap_err();
        assert!(error.to_string().contains("retries"), "{error}");
    }
    #[test]
    fn a_retention_that_could_not_work_is_refused_by_its_name() {
        for (line, name) in [
            ("days = 0", "retention.days"),
            ("bytes_max = 1000000", "retention.bytes_max"),
        ] {
            let text = format!("listen = \"127.0.0.1:1\"\n[retention]\n{line}");
            let config: Config = toml::from_str(&text).unwrap();
            let error = config.settings().validate().unwrap_err();
            assert_eq!(error.path, name);
        }
    }
}
