//! The processes beside the platform, each with its own share of the processors: told what to do by an argument and by
//! lines on stdin, answering with lines of JSON on stdout.

pub(crate) mod bare;
pub(crate) mod disk;
pub(crate) mod echo;
pub(crate) mod empty;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod sdk_client;
pub(crate) mod sdk_webhook;
pub(crate) mod sink;
pub(crate) mod subscriber;

use std::io::Write as _;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::task::LocalSet;

/// A part that a process can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Publishes.
    Load,
    /// Takes webhooks.
    Sink,
    /// Holds persistent connections.
    Subscriber,
    /// Answers requests with nothing; the floor of what HTTP costs.
    Empty,
    /// Keeps events and pushes them, and nothing else; the floor of what a platform costs.
    Bare,
    /// Exchanges messages over one WebSocket with itself; the floor of what a persistent connection costs.
    Echo,
    /// Appends and syncs; the floor of what a commit costs.
    Disk,
    /// Pushes events over a persistent connection to one client.
    Gateway,
    /// Takes events with Larkspur's SDK.
    SdkClient,
    /// Takes frames and acknowledges them; the floor of what a client costs.
    BareClient,
    /// Takes webhook requests with Larkspur's SDK, without a network.
    SdkWebhook,
}

/// What a sink or a subscriber is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Answer the counts.
    Counts,
    /// Write the arrivals to a file.
    Save { path: std::path::PathBuf },
    /// Treat an app's events so from now on.
    Behave { app: usize, how: sink::Behaviour },
    /// Answer how long after its failure each event came again, in nanoseconds.
    Gaps,
    /// Ping on every connection, wait for the pongs, and answer how many came.
    Ping,
}

impl Role {
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Plays the part until it is done or stdin ends.
    pub(crate) fn play(self, spec: &str) -> Result<()> {
        match self {
            Self::Load => block_on(load::run(parse(spec)?)),
            Self::Sink => block_on(sink::run(parse(spec)?)),
            Self::Subscriber => block_on(subscriber::run(parse(spec)?)),
            Self::Empty => empty::run(),
            Self::Bare => bare::run(&parse(spec)?),
            Self::Echo => block_on(echo::run(parse(spec)?)),
            Self::Disk => disk::run(&parse(spec)?),
            Self::Gateway => gateway::run(),
            Self::SdkClient => sdk_client::run(&parse(spec)?),
            Self::BareClient => sdk_client::run_bare(&parse(spec)?),
            Self::SdkWebhook => sdk_webhook::run(&parse(spec)?),
        }
    }
}

/// Runs on one thread: a part that wanders between the processors disturbs what is measured.
fn block_on(part: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(part))
}

fn parse<T: for<'a> Deserialize<'a>>(spec: &str) -> Result<T> {
    serde_json::from_str(spec).context("what to do is not understood")
}

/// Answers one line.
fn say(answer: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line)?;
    Ok(stdout.flush()?)
}

/// What comes on stdin.
struct Commands(Lines<BufReader<Stdin>>);

impl Commands {
    fn new() -> Self {
        Self(BufReader::new(tokio::io::stdin()).lines())
    }

    /// The next one; `None` when whoever asks has gone.
    async fn next(&mut self) -> Result<Option<Command>> {
        match self.0.next_line().await? {
            Some(line) => Ok(Some(
                serde_json::from_str(&line).with_context(|| format!("no command: {line}"))?,
            )),
            None => Ok(None),
        }
    }
}
