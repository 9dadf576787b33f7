//! Runs subscribers with the official SDKs, and with Larkspur's own, against a Larkspur platform, and prints what
//! arrived.

mod case;
mod http;
mod install;
mod payload;
mod peer;
mod platform;
mod sample;
mod samples;
mod sdk;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use futures_util::stream::{self, StreamExt};

use case::{Bench, Case, Verdicts};
use sdk::{Language, Sdk};
use table::Table;

/// A case that takes longer than this has failed.
const CASE_DEADLINE: Duration = Duration::from_secs(150);

/// Proves that subscribers with the official SDKs receive what a Larkspur platform publishes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the SDKs of these languages.
    #[arg(long, value_name = "LANG")]
    only: Vec<Language>,
    /// Only the cases whose name contains one of these.
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// The folder with the five official documents, whose sample programs are run.
    #[arg(long, env = "LARKSPUR_SEEDS", value_name = "FOLDER")]
    samples: Option<PathBuf>,
    /// Leaves the sample programs out.
    #[arg(long)]
    without_seed_samples: bool,
    /// How many cases run at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The `larkspur` binary [default: the one beside this program].
    #[arg(long, env = "LARKSPUR_BIN")]
    larkspur: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let beside = own.parent().context("this program is in no folder")?;
    let larkspur = arguments.larkspur.clone().unwrap_or_else(|| beside.join("larkspur"));
    if !larkspur.is_file() {
        anyhow::bail!(
            "there is no {}: run `cargo build -p larkspur-cli`, or set LARKSPUR_BIN",
            larkspur.display()
        );
    }
    let target = beside.parent().context("this program is not in a target folder")?;
    let (sdks, mut table) = install_all(&arguments, target).await;
    let started = Instant::now();
    run_cases(&arguments, &larkspur, &sdks, &mut table).await;
    if !arguments.without_seed_samples {
        run_samples(&arguments, &larkspur, target, &sdks, &mut table).await;
    }
    say(&format!(
        "\n{}\nthe cases took {} s",
        table.print(),
        started.elapsed().as_secs()
    ));
    say(&format!("{} passed, {} failed", table.passed(), table.failed()));
    Ok(table.failed() == 0 && table.passed() > 0)
}

/// Makes every SDK ready that was asked for; one that cannot be is a failure in the table.
async fn install_all(arguments: &Arguments, target: &Path) -> (Vec<Sdk>, Table) {
    let wanted = |language: &Language| arguments.only.is_empty() || arguments.only.contains(language);
    let mut columns = Vec::new();
    let mut installed = Vec::new();
    for language in Language::ALL.into_iter().filter(wanted) {
        for version in language.versions() {
            let name = format!("{language} {version}");
            say(&format!("installing {name}"));
            installed.push((name.clone(), install::install(language, version, target).await));
            columns.push(name);
        }
    }
    let mut table = Table::new(columns);
    let mut sdks = Vec::new();
    for (name, sdk) in installed {
        match sdk {
            Ok(sdk) => sdks.push(sdk),
            Err(error) => table.note("installs", &name, &Err(error)),
        }
    }
    (sdks, table)
}

async fn run_cases(arguments: &Arguments, larkspur: &Path, sdks: &[Sdk], table: &mut Table) {
    let chosen = |case: &Case| {
        let name = case.name();
        arguments.case.is_empty() || arguments.case.iter().any(|part| name.contains(part.as_str()))
    };
    let mut all = Vec::new();
    for case in Case::ALL.into_iter().filter(chosen) {
        all.extend(sdks.iter().filter(|sdk| case.is_for(sdk)).map(|sdk| {
            (
                case,
                Bench {
                    sdk: sdk.clone(),
                    larkspur: larkspur.to_owned(),
                },
            )
        }));
    }
    let mut running = stream::iter(all)
        .map(|(case, bench)| one(case, bench))
        .buffer_unordered(arguments.jobs.max(1));
    let mut results = Vec::new();
    while let Some((sdk, verdicts, took)) = running.next().await {
        for (name, result) in verdicts {
            let word = if result.is_ok() { "ok    " } else { "FAILED" };
            say(&format!("{word} {sdk:14} {name} ({:.1} s)", took.as_secs_f64()));
            results.push((sdk.clone(), name, result));
        }
    }
    // The table keeps the order of the cases, whatever order they ended in.
    for name in Case::ALL.into_iter().flat_map(Case::results) {
        for (sdk, _, result) in results.iter().filter(|(_, row, _)| *row == name) {
            table.note(&name, sdk, result);
        }
    }
}

/// Runs the sample programs, if no case was asked for by a name that is not theirs.
async fn run_samples(arguments: &Arguments, larkspur: &Path, target: &Path, sdks: &[Sdk], table: &mut Table) {
    if !arguments.case.is_empty() && !arguments.case.iter().any(|part| part == "sample") {
        return;
    }
    let Some(documents) = &arguments.samples else {
        let missing = Err(anyhow!(
            "name the folder of the official documents with --samples or LARKSPUR_SEEDS, or say --without-seed-samples"
        ));
        return table.note("samples", "all", &missing);
    };
    let ran = match samples::run(documents, larkspur, target, sdks, arguments.jobs.max(1)).await {
        Ok(ran) => ran,
        Err(error) => return table.note("samples", "all", &Err(error)),
    };
    let mut rows: Vec<_> = ran.iter().map(|ran| ran.name.clone()).collect();
    rows.sort();
    rows.dedup();
    for (row, ran) in rows.iter().flat_map(|row| ran.iter().map(move |ran| (row, ran))) {
        if ran.name == *row {
            let word = if ran.result.is_ok() { "ok    " } else { "FAILED" };
            say(&format!(
                "{word} {:14} {} ({} lines changed)",
                ran.sdk, ran.name, ran.changed
            ));
            table.note(row, &ran.sdk, &ran.result);
        }
    }
    let changed: usize = ran.iter().map(|ran| ran.changed).sum();
    say(&format!(
        "{} samples differ from the documents in {changed} lines",
        ran.len()
    ));
}

/// Runs one case within its deadline.
async fn one(case: Case, bench: Bench) -> (String, Verdicts, Duration) {
    let started = Instant::now();
    let verdicts = tokio::time::timeout(CASE_DEADLINE, case.run(&bench)).await;
    let verdicts = verdicts.unwrap_or_else(|_| {
        let late = |name| (name, Err(anyhow!("the case was not done in {CASE_DEADLINE:?}")));
        case.results().into_iter().map(late).collect()
    });
    (bench.sdk.to_string(), verdicts, started.elapsed())
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
