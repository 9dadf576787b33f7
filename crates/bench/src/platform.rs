//! The platform that is measured: the real binary, on a real file, driven through its admin API like any other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::event::{self, EVENT_TYPE};
use crate::http::{Connection, request};
use crate::shim::Shim;

/// All apps share it, so that the sink needs to know one.
pub(crate) const ENCRYPT_KEY: &str = "the bench's encrypt key";
/// Guards nothing: the platform listens on loopback for as long as it is measured.
const ADMIN_TOKEN: &str = "bench-bench-bench-bench-bench";
/// Starting over a million deliveries that are due should take seconds.
const START_MAX: Duration = Duration::from_mins(2);
/// Draining has its own, shorter deadline.
const STOP_MAX: Duration = Duration::from_mins(1);

/// What is set otherwise than by default.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) retry_seconds: Vec<u64>,
    pub(crate) sessions_per_app: usize,
    /// Whether endpoints speak TLS, by a certificate that this measurement makes.
    pub(crate) tls: bool,
}

/// The certificate that endpoints have, in the platform's folder.
pub(crate) const ROOT: &str = "root.pem";

impl Default for Config {
    /// Retries stay out of a measurement that does not ask for them.
    fn default() -> Self {
        Self {
            retry_seconds: vec![3_600; 4],
            sessions_per_app: 50,
            tls: false,
        }
    }
}

/// A running `larkspur serve`; it ends with its value.
#[derive(Debug)]
pub(crate) struct Platform {
    child: Child,
    binary: PathBuf,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    shim: Option<Shim>,
    /// From the start of the process to its line that it is ready.
    pub(crate) ready_after: Duration,
}

/// An app that was made.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct App {
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
}

/// What the platform counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Counters {
    pub(crate) events_accepted: u64,
    pub(crate) attempts_delivered: u64,
}

/// How an app gets its events.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Webhook { url: String },
    Websocket,
}

impl Platform {
    pub(crate) async fn start(binary: &Path, folder: &Path, config: &Config, shim: Option<&Shim>) -> Result<Self> {
        let root = folder.join(ROOT);
        let root = if config.tls {
            format!("root_certificates = \"{}\"\n", root.display())
        } else {
            String::new()
        };
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"{}\"\n\
             [delivery]\nretry_seconds = {:?}\nallow_private_addresses = true\n{root}\
             [sessions]\nper_app_max = {}\n[apps]\npublish_at_once = true\n",
            folder.join("data").display(),
            config.retry_seconds,
            config.sessions_per_app,
        );
        std::fs::write(folder.join("larkspur.toml"), text)?;
        let (child, address, ready_after) = launch(binary, folder, shim).await?;
        Ok(Self {
            child,
            binary: binary.to_owned(),
            address,
            folder: folder.to_owned(),
            shim: shim.cloned(),
            ready_after,
        })
    }

    /// Ends the platform without warning and starts it again over the same data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot end the platform")?;
        (self.child, self.address, self.ready_after) = launch(&self.binary, &self.folder, self.shim.as_ref()).await?;
        Ok(())
    }

    /// Ends the platform in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.context("the platform has ended before it was told to")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = timeout(STOP_MAX, self.child.wait())
            .await
            .context("the platform does not stop")??;
        if !status.success() {
            bail!("the platform ended with {status}: {}", self.log());
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub(crate) fn token() -> &'static str {
        ADMIN_TOKEN
    }

    /// Calls the admin API; anything but success is an error that shows the answer.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let extra = format!("authorization: Bearer {ADMIN_TOKEN}\r\ncontent-type: application/json\r\n");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let path = format!("/api/v1{path}");
        let mut connection = Connection::open(self.address).await.with_context(|| self.log())?;
        let answer = connection
            .exchange(&request(method, &path, &extra, body.as_bytes()))
            .await?;
        if !(200..300).contains(&answer.status()) {
            bail!(
                "{method} {path} answered {}: {}",
                answer.status(),
                String::from_utf8_lossy(&answer.body)
            );
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{method} {path} answered no JSON"))
    }

    /// Makes an app that a tenant has installed, and that gets the one type of event there is here.
    pub(crate) async fn app(&self, number: usize, tenant: usize, mode: &Mode) -> Result<App> {
        let mut events = json!({"mode": "websocket", "types": [EVENT_TYPE]});
        if let Mode::Webhook { url } = mode {
            events["mode"] = json!("webhook");
            events["url"] = json!(url);
        }
        let app = json!({
            "name": format!("bench {number}"), "kind": "custom", "tenants": [event::tenant(tenant)],
            "scopes": "all", "encrypt_key": ENCRYPT_KEY, "events": events,
        });
        let app = self.api("POST", "/apps", Some(app)).await?;
        serde_json::from_value(app).context("the app made lacks a credential")
    }

    pub(crate) async fn counters(&self) -> Result<Counters> {
        let counters = self.api("GET", "/counters", None).await?;
        serde_json::from_value(counters["engine"].clone()).context("the platform does not count")
    }

    /// What the platform had to say.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let last: Vec<_> = text.lines().rev().take(5).collect();
        format!("the platform's last words: {last:?}")
    }
}

async fn launch(binary: &Path, folder: &Path, shim: Option<&Shim>) -> Result<(Child, SocketAddr, Duration)> {
    let mut command = Command::new(binary);
    command
        .args(["--json", "serve", "--config"])
        .arg(folder.join("larkspur.toml"));
    // At this level each push has its span.
    command
        .env("LARKSPUR_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("LARKSPUR_LOG", "info");
    if let Some(shim) = shim {
        shim.apply(&mut command);
    }
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("log"))?)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let mut lines = BufReader::new(child.stdout.take().context("the platform has no stdout")?).lines();
    let line = timeout(START_MAX, lines.next_line())
        .await
        .context("the platform does not get ready")??;
    let ready: Value = serde_json::from_str(&line.context("the platform ended before it was ready")?)?;
    let address = ready["listen"]
        .as_str()
        .context("the platform does not say where it listens")?
        .parse()?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, address, start.elapsed()))
}
