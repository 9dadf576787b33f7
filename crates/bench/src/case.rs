//! The cases: what is set up, what load it gets, and which figures come of it.

mod due;
mod fan_out;
mod idle;
mod open_loop;
mod plan;
mod stage;
mod throughput;
mod trouble;

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::Options;
use crate::binary::Binary;
use crate::machine::Machine;
use crate::report::{self, Figures};
use crate::role::sink::Behaviour;
use crate::shim::Shim;
use trouble::{SLOW_ANSWERS, TEN, Trouble};

/// A case by its name, with what it is to reach.
const CASES: &[(&str, &str)] = &[
    ("webhook-single", "16,000/s (10,000/s with fsync + 2 ms), CPU 75 µs"),
    ("webhook-half", "p99 25 ms at half the rate of webhook-single"),
    ("webhook-ndjson", "24,000/s, CPU 55 µs"),
    ("webhook-tls", ""),
    ("websocket-ndjson", "40,000/s"),
    ("open-loop-300", "accept p99 2 ms, accept to receipt p99 3 ms"),
    ("retry-punctual", "p99 100 ms after it is due"),
    ("fan-out-100", "0.75 of the cost per delivery at 1 app"),
    ("idle-10000", "20 KiB each, all pings answered"),
    ("due-million", "90 % of the empty rate, 200 MiB, ready in 5 s"),
    ("trouble-silent", RATIO),
    ("trouble-slow-answers", RATIO),
    ("trouble-dribble", RATIO),
    ("trouble-websocket-stall", RATIO),
    ("trouble-hung-names", RATIO),
    ("trouble-slow-tls", RATIO),
    ("trouble-ten-at-once", RATIO),
];
const RATIO: &str = "p99 of the others 1.2 of without";

/// What a case may take from the run it is part of.
struct Bench {
    options: Options,
    binary: Binary,
    folder: PathBuf,
    shim: Option<Shim>,
    /// What `webhook-single` reached, once it ran.
    single_per_s: Cell<Option<f64>>,
}

/// Runs the cases asked for and prints what they show; an event that was lost or invented is a failure.
pub(crate) async fn run_all(options: Options) -> Result<ExitCode> {
    let temporary = tempfile::tempdir().context("cannot make a folder")?;
    let folder = options.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let chosen: Vec<_> = CASES.iter().filter(|(name, _)| options.chose(name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        bail!("no case is called that; there are {}", names.join(", "));
    }
    let (binary, build) = (options.binary.as_deref(), options.build.as_deref());
    let binary = Binary::choose(&std::env::current_exe()?, binary, build)?;
    let shim = (options.fsync_ms > 0)
        .then(|| Shim::build(&folder, options.fsync_ms))
        .transpose()?;
    let bench = Bench {
        options,
        binary,
        folder,
        shim,
        single_per_s: Cell::new(None),
    };
    let (machine, options, build) = (Machine::here(), &bench.options, &bench.binary.build);
    if !options.json {
        print(&report::head(&machine, build, options.fsync_ms))?;
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (name, reach) in chosen {
        match bench.run(name).await {
            Ok(figures) => {
                if !options.json {
                    print(&report::row(&figures, reach))?;
                }
                done.push(figures);
            }
            Err(error) => {
                if !options.json {
                    print(&format!("{name:<24} failed: {error:#}\n"))?;
                }
                failed.push((*name, format!("{error:#}")));
            }
        }
    }
    if options.json {
        print(&report::json(&machine, build, options, &done, &failed))?;
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

impl Options {
    fn chose(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|start| name.starts_with(start))
    }
}

impl Bench {
    /// The medians of a case's runs.
    async fn run(&self, name: &str) -> Result<Figures> {
        let mut runs = Vec::new();
        for _ in 0..self.options.runs.max(1) {
            runs.push(Figures {
                case: name.to_owned(),
                ..self.run_once(name).await?
            });
        }
        Figures::median(runs).context("a case without a run")
    }

    async fn run_once(&self, name: &str) -> Result<Figures> {
        match name {
            "webhook-single" => throughput::webhook_single(self).await,
            "webhook-half" => throughput::webhook_half(self).await,
            "webhook-ndjson" => throughput::webhook_ndjson(self).await,
            "webhook-tls" => throughput::webhook_tls(self).await,
            "websocket-ndjson" => throughput::websocket_ndjson(self).await,
            "open-loop-300" => open_loop::at_300(self).await,
            "retry-punctual" => open_loop::retries(self).await,
            "fan-out-100" => fan_out::run(self).await,
            "idle-10000" => idle::run(self).await,
            "due-million" => due::run(self).await,
            "trouble-silent" => trouble::run(self, &[Trouble::Endpoint(Behaviour::Silent)]).await,
            "trouble-slow-answers" => trouble::run(self, &[Trouble::Endpoint(SLOW_ANSWERS)]).await,
            "trouble-dribble" => trouble::run(self, &[Trouble::Endpoint(Behaviour::Dribble)]).await,
            "trouble-websocket-stall" => trouble::run(self, &[Trouble::WebsocketStall]).await,
            "trouble-hung-names" => trouble::run(self, &[Trouble::HungNames]).await,
            "trouble-slow-tls" => trouble::run(self, &[Trouble::SlowTls]).await,
            "trouble-ten-at-once" => trouble::run(self, &TEN).await,
            _ => bail!("there is no case `{name}`"),
        }
    }

    /// How long a case is under load.
    fn seconds(&self) -> f64 {
        if self.options.smoke { 0.4 } else { self.options.seconds }
    }

    /// A size that is smaller in the short form.
    fn size(&self, full: usize, smoke: usize) -> usize {
        if self.options.smoke { smoke } else { full }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}
