//! A subscriber process: started with its case in the environment, read line by line.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::sdk::Sdk;

/// Lines that wait to be read; a case publishes at most 200 events.
const LINES_MAX: usize = 1024;
/// How much of what a subscriber logs is kept for the report of a failure.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// How long a subscriber may take from its start to its ready line; two cores start several.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// What a subscriber is told, as JSON in `LARKSPUR_CASE`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) domain: String,
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
    pub(crate) encrypt_key: String,
    pub(crate) verification_token: String,
    pub(crate) mode: &'static str,
    pub(crate) port: u16,
    pub(crate) types: Vec<&'static str>,
    pub(crate) fail_first: u32,
}

/// A running subscriber; it ends with its value.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    lines: mpsc::Receiver<Said>,
    printed: Log,
    logged: Log,
}

/// The end of what a program wrote to one of its outputs.
type Log = Arc<Mutex<String>>;

/// One line of a subscriber.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Said {
    /// It listens, or begins to connect.
    Ready {
        /// Always true.
        #[serde(rename = "ready")]
        _ready: bool,
    },
    /// A handler ran.
    Event(Received),
    /// The SDK gave up.
    Error {
        /// Its words.
        #[serde(rename = "error")]
        _error: String,
    },
}

/// What a handler was given.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) event: String,
    pub(crate) header: Option<Value>,
    pub(crate) payload: Option<Value>,
    /// Header and payload in one, where the SDK does not tell them apart.
    pub(crate) flat: Option<Value>,
    /// The SDK checks the Verification Token itself and hands it to nobody.
    #[serde(default)]
    pub(crate) token_withheld: bool,
}

impl Received {
    pub(crate) fn event_id(&self) -> Option<&str> {
        self.header.as_ref().or(self.flat.as_ref())?["event_id"].as_str()
    }
}

impl Peer {
    /// Starts a subscriber and waits for its ready line.
    pub(crate) async fn start(sdk: &Sdk, case: &Case) -> Result<Self> {
        let mut command = Command::new(&sdk.command[0]);
        command
            .args(&sdk.command[1..])
            .env("LARKSPUR_CASE", serde_json::to_string(case)?)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost");
        let mut peer = Self::spawn(command)?;
        match peer.next(READY_TIMEOUT).await? {
            Some(Said::Ready { .. }) => Ok(peer),
            said => bail!("no ready line but {said:?}; {}", peer.log()),
        }
    }

    /// Starts a program that prints lines of JSON; lines of another form are its log.
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", command.as_std().get_program().display()))?;
        let (printed, logged) = (Log::default(), Log::default());
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let stdout = child.stdout.take().context("a subscriber has no stdout")?;
        let stderr = child.stderr.take().context("a subscriber has no stderr")?;
        tokio::spawn(read(stdout, Arc::clone(&printed), Some(sender)));
        tokio::spawn(read(stderr, Arc::clone(&logged), None));
        Ok(Self {
            child,
            lines,
            printed,
            logged,
        })
    }

    /// The next line; none when the time is over, or the program's output ended.
    pub(crate) async fn next(&mut self, within: Duration) -> Result<Option<Said>> {
        Ok(tokio::time::timeout(within, self.lines.recv()).await.ok().flatten())
    }

    /// The next event; anything else is an error.
    pub(crate) async fn event(&mut self, within: Duration) -> Result<Received> {
        match self.next(within).await? {
            Some(Said::Event(received)) => Ok(received),
            Some(said) => bail!("an event was expected, it said {said:?}; {}", self.log()),
            None => bail!("no event arrived in {within:?}; {}", self.log()),
        }
    }

    /// Whether it ends by itself in time, and how.
    pub(crate) async fn ends(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }

    /// What it printed besides lines of JSON.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// All that it wrote, for the report of a failure.
    pub(crate) fn log(&self) -> String {
        let logged = self.logged.lock().map(|text| text.clone()).unwrap_or_default();
        format!("it printed:\n{}it logged:\n{logged}", self.printed())
    }
}

async fn read(output: impl AsyncRead + Unpin, log: Log, lines: Option<mpsc::Sender<Said>>) {
    let mut reader = BufReader::new(output).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let Some(lines) = &lines
            && let Ok(said) = serde_json::from_str(&line)
        {
            if lines.send(said).await.is_err() {
                return;
            }
        } else if let Ok(mut log) = log.lock() {
            log.push_str(&line);
            log.push('\n');
            let excess = log.len().saturating_sub(LOG_BYTES_MAX);
            let cut = log.ceil_char_boundary(excess);
            log.drain(..cut);
        }
    }
}
