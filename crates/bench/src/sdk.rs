//! The cases of the SDK: Larkspur's own beside the floor, and the official ones of Python and Node in the same run.

mod connection;
mod rival;
mod table;
mod webhook;
mod weight;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::machine::Machine;
use rival::Rival;
use table::{Case, Row};

/// What to measure, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct SdkOptions {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Only cases whose names start with this; may be repeated.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// How long each row is measured.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Everything in short: fails when an event is lost, never for being slow.
    #[arg(long)]
    smoke: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "webhook",
        about: "in process: verify, open, parse, a typed handler in a task of its own; one thread",
        reach: "4 µs CPU an event, 1.8 × the floor",
    },
    Case {
        name: "connection",
        about: "events acknowledged with 64 on their way, typed, repeats dropped",
        reach: "120,000/s; CPU 6 µs an event on one thread, 9 µs on several",
    },
    Case {
        name: "start",
        about: "from starting the process to being online, on loopback",
        reach: "10 ms",
    },
    Case {
        name: "memory",
        about: "of a process with one client that is online",
        reach: "6 MiB",
    },
    Case {
        name: "weight",
        about: "of the SDK with its default features, built for debugging from nothing",
        reach: "100 crates, 60 s, no protoc",
    },
];

/// What a case may take from the run it is part of.
struct Bench {
    options: SdkOptions,
    rivals: Vec<Rival>,
    folder: tempfile::TempDir,
}

/// Runs the cases asked for and prints what they show; an event that was lost is a failure.
pub(crate) async fn run_all(options: SdkOptions) -> Result<ExitCode> {
    let chosen =
        |case: &&Case| options.cases.is_empty() || options.cases.iter().any(|start| case.name.starts_with(start));
    let cases: Vec<_> = CASES.iter().filter(chosen).collect();
    if cases.is_empty() {
        bail!(
            "no case is called that; there are {}",
            CASES.map(|case| case.name).join(", ")
        );
    }
    let bench = Bench {
        options,
        rivals: rival::find(&target()?),
        folder: tempfile::tempdir()?,
    };
    let (machine, json) = (Machine::here(), bench.options.json);
    let (mut rows, mut failed) = (Vec::new(), false);
    if !json {
        print(&table::head(&machine))?;
    }
    for case in cases {
        let measured = match bench.run(case.name).await {
            Ok(measured) => measured,
            Err(error) => vec![Row::failed(case.name, "larkspur", &error)],
        };
        failed |= measured.iter().any(Row::is_failure);
        if !json {
            print(&table::case(case, &measured))?;
        }
        rows.extend(measured);
    }
    if json {
        print(&table::json(&machine, bench.options.seconds, &rows))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// The folder that cargo builds into, where the official SDKs are installed too.
fn target() -> Result<PathBuf> {
    let bench = std::env::current_exe()?;
    let target = bench.ancestors().nth(2).map(Path::to_owned);
    target.ok_or_else(|| anyhow::anyhow!("{} is in no folder of cargo's", bench.display()))
}

impl Bench {
    async fn run(&self, case: &'static str) -> Result<Vec<Row>> {
        match case {
            "webhook" => webhook::rows(self).await,
            "connection" => connection::throughput(self).await,
            "start" => connection::start(self).await,
            "memory" => connection::memory(self).await,
            _ => weight::rows(self),
        }
    }

    /// How long a row is under load.
    fn seconds(&self) -> f64 {
        if self.options.smoke { 0.3 } else { self.options.seconds }
    }

    /// One row for each official SDK, from what is measured of it.
    async fn each_rival(&self, case: &'static str, measure: impl AsyncFn(&Rival) -> Result<Row>) -> Vec<Row> {
        let mut rows = Vec::new();
        for rival in &self.rivals {
            rows.push(match (&rival.folder, measure(rival).await) {
                (None, _) => Row::absent(case, &rival.name),
                (Some(_), Ok(row)) => row,
                (Some(_), Err(error)) => Row::failed(case, &rival.name, &error),
            });
        }
        rows
    }
}
