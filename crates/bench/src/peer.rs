//! A process beside the platform, as the one who measures sees it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::role::{self, Role};
use crate::shim::Shim;

/// A part that says nothing for this long hangs; the longest loads run for minutes.
const ANSWER_MAX: Duration = Duration::from_mins(10);

/// How often a part is asked again.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// When nothing arrived for this long, nothing more is coming. What failed once comes again after 15 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running part; it ends with its value.
#[derive(Debug)]
pub(crate) struct Peer {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a part with what it is to do.
    pub(crate) fn start(role: Role, spec: &impl Serialize, shim: Option<&Shim>) -> Result<Self> {
        let name = role.name();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["role", &name, &serde_json::to_string(spec)?]);
        if let Some(shim) = shim {
            shim.apply(&mut command);
        }
        Self::run(&name, command)
    }

    /// Starts a program that speaks as the parts do.
    pub(crate) fn run(name: &str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the {name}"))?;
        let stdin = child.stdin.take().context("the part has no stdin")?;
        let stdout = child.stdout.take().context("the part has no stdout")?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// Its next line.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = timeout(ANSWER_MAX, self.lines.next_line()).await;
        let line = line.with_context(|| format!("the {} hangs", self.name))??;
        let line = line.with_context(|| format!("the {} ended", self.name))?;
        serde_json::from_str(&line).with_context(|| format!("the {} said: {line}", self.name))
    }

    /// Tells it something, and reads its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, command: &role::Command) -> Result<T> {
        self.tell(command).await
    }

    /// Tells it something of its own, and reads its answer.
    pub(crate) async fn tell<T: DeserializeOwned>(&mut self, command: &impl Serialize) -> Result<T> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.stdin
            .write_all(&line)
            .await
            .with_context(|| format!("the {} has ended", self.name))?;
        self.next().await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }
}
