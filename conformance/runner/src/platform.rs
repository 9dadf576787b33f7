//! One Larkspur platform of a case's own, started as a person would: `larkspur dev`, driven through its admin API.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::Http;

/// How long a platform may take to say that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a URL may miss its challenge.
const SAVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// A running platform; it ends with its value.
#[derive(Debug)]
pub(crate) struct Platform {
    binary: PathBuf,
    data: TempDir,
    child: Child,
    http: Http,
    ready: Ready,
}

/// The first line of `larkspur dev --json`.
#[derive(Debug, Deserialize)]
struct Ready {
    #[serde(rename = "ready")]
    listens: bool,
    url: String,
    admin_token: String,
}

/// An app made for a case.
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct App {
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
    pub(crate) verification_token: String,
    #[serde(default)]
    pub(crate) encrypt_key: String,
}

/// An event to publish, and what a subscriber must find in it.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) event_type: String,
    pub(crate) event: Map<String, Value>,
    pub(crate) create_time_ms: i64,
}

impl Platform {
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        let data = tempfile::tempdir().context("cannot make a folder for the platform's data")?;
        let (child, ready) = launch(binary, data.path(), 0).await?;
        Ok(Self {
            binary: binary.to_owned(),
            data,
            child,
            http: Http::new(),
            ready,
        })
    }

    /// Ends the platform without warning and starts it again on the same port and data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let port = self.url().rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.with_context(|| format!("no port in {}", self.url()))?;
        self.child.kill().await.context("cannot end the platform")?;
        (self.child, self.ready) = launch(&self.binary, self.data.path(), port).await?;
        Ok(())
    }

    pub(crate) fn url(&self) -> &str {
        &self.ready.url
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Calls the admin API; anything but success is an error that shows the answer.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let authorization = format!("Bearer {}", self.ready.admin_token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let url = format!("{}/api/v1{path}", self.url());
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = self.http.send(method.clone(), &url, &headers, body).await?;
        if !(200..300).contains(&answer.status) {
            bail!(
                "{method} {path} answered {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{method} {path} answered no JSON"))
    }

    /// Makes a custom app that may have and receives everything, over a persistent connection.
    pub(crate) async fn app(&self, encrypted: bool) -> Result<App> {
        let mut body = json!({
            "name": "conformance", "kind": "custom", "tenants": [crate::payload::TENANT], "scopes": "all",
            "events": {"mode": "websocket", "types": "all"}, "callbacks": {"mode": "websocket", "types": "all"},
            "allow_private_addresses": true,
        });
        if encrypted {
            body["reset"] = json!(["encrypt_key"]);
        }
        let app = self.api(Method::POST, "/apps", Some(body)).await?;
        serde_json::from_value(app).context("the app made lacks a credential")
    }

    /// Asks the app for its answer to a callback.
    pub(crate) async fn call(&self, app: &App, event_type: &str, event: &Value) -> Result<Value> {
        let body = json!({"event_type": event_type, "event": event, "app_id": app.app_id});
        let mut called = self.api(Method::POST, "/callbacks", Some(body)).await?;
        Ok(called["answer"].take())
    }

    /// Sends the app's events, or its callbacks, to a URL, which must answer the challenge. That has one second, which a subscriber that
    /// has just started may miss; like a person at the console, this saves the URL again.
    pub(crate) async fn set_url(&self, app: &App, kind: &str, url: &str) -> Result<()> {
        let change = json!({kind: {"mode": "webhook", "url": url}});
        let path = format!("/apps/{}", app.app_id);
        let mut refusal = None;
        let saved = until(SAVE_TIMEOUT, async || {
            refusal = self.api(Method::PATCH, &path, Some(change.clone())).await.err();
            Ok(refusal
                .as_ref()
                .is_none_or(|refusal| !refusal.to_string().contains("no answer within")))
        });
        saved.await.context("the URL cannot be saved")?;
        refusal.map_or(Ok(()), Err)
    }

    /// Publishes to one app and returns the event's id.
    pub(crate) async fn publish(&self, app: &App, publication: &Publication) -> Result<String> {
        let answer = self.api(Method::POST, "/events", Some(publication.body(app))).await?;
        if answer["deliveries"].as_array().is_none_or(Vec::is_empty) {
            bail!("the platform delivers the event to nobody: {answer}");
        }
        let id = answer["event_id"]
            .as_str()
            .context("the answer to a publish has no event_id")?;
        Ok(id.to_owned())
    }

    /// Waits until the app has so many live connections.
    pub(crate) async fn wait_online(&self, app: &App, sessions: u64, within: Duration) -> Result<()> {
        let path = format!("/apps/{}", app.app_id);
        let mut seen = Value::Null;
        until(within, async || {
            seen = self.api(Method::GET, &path, None).await?["online"].clone();
            Ok(seen.as_u64() == Some(sessions))
        })
        .await
        .with_context(|| {
            format!(
                "{sessions} connections were expected of {}, {seen} are live",
                app.app_id
            )
        })
    }

    /// Waits until the first delivery of an event fits, and returns it.
    pub(crate) async fn wait_delivery(
        &self,
        event_id: &str,
        within: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path = format!("/events/{event_id}");
        let mut seen = Value::Null;
        until(within, async || {
            seen = self.api(Method::GET, &path, None).await?["deliveries"][0].take();
            Ok(fits(&seen))
        })
        .await
        .with_context(|| format!("the delivery stands at {seen}"))?;
        Ok(seen)
    }

    /// Waits until the first try of every delivery to an app succeeded.
    pub(crate) async fn wait_all_delivered(&self, app: &App, events: usize, within: Duration) -> Result<()> {
        let path = format!("/deliveries?app_id={}&limit=1000", app.app_id);
        let mut seen = 0;
        until(within, async || {
            let page = self.api(Method::GET, &path, None).await?;
            let done = |delivery: &&Value| delivery["state"] == "delivered" && delivery["attempts"] == 1;
            seen = page["items"]
                .as_array()
                .map_or(0, |items| items.iter().filter(done).count());
            Ok(seen == events)
        })
        .await
        .with_context(|| format!("{seen} of {events} deliveries succeeded with their first try"))
    }

    /// Moves the platform's clock forward.
    pub(crate) async fn advance(&self, seconds: u64) -> Result<()> {
        self.api(Method::POST, "/clock/advance", Some(json!({"seconds": seconds})))
            .await?;
        Ok(())
    }
}

impl Publication {
    pub(crate) fn body(&self, app: &App) -> Value {
        json!({
            "event_type": self.event_type, "event": self.event, "app_id": app.app_id,
            "tenant_key": crate::payload::TENANT, "create_time": self.create_time_ms,
        })
    }
}

/// Looks at a condition until it holds.
pub(crate) async fn until(within: Duration, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    loop {
        if holds().await? {
            return Ok(());
        }
        if start.elapsed() > within {
            return Err(anyhow!("it did not come to that in {within:?}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn launch(binary: &Path, data: &Path, port: u16) -> Result<(Child, Ready)> {
    let mut child = Command::new(binary)
        .args(["dev", "--json", "--port", &port.to_string(), "--data-dir"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let stdout = child.stdout.take().context("the platform has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(START_TIMEOUT, lines.next_line())
        .await
        .context("the platform did not say that it is ready")??
        .context("the platform ended before it was ready")?;
    let ready: Ready = serde_json::from_str(&line).with_context(|| format!("no ready line: {line}"))?;
    if !ready.listens {
        bail!("the platform says that it is not ready: {line}");
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, ready))
}
