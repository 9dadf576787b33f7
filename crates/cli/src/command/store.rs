//! `larkspur store`: looks over and copies what a platform keeps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use larkspur_store_sqlite::{BackupError, OpenError, Report, backup, check};
use serde_json::{Value, json};

use crate::admin::{Platform, To};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::home;
use crate::platform::DATABASE;
use crate::ui::{Ui, count};

const AFTER_HELP: &str = "\
Examples:
  larkspur store check                     the database that larkspur.toml names, while the platform is stopped
  larkspur store check backup.db
  larkspur store backup backup.db
  larkspur store backup backup.db --url https://events.example.com    of a platform that runs, and goes on meanwhile";

/// Look over the database of a platform, and back it up.
#[derive(Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Store {
    /// Look over a database that no platform has open: pages and indexes, references, schema, counts.
    ///
    /// Nothing is changed. Exit code 1 when something is wrong with it.
    Check {
        /// The file [default: the database of the configuration, else that of `larkspur dev`].
        file: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Copy the database to a new file, which a platform can start from.
    ///
    /// A platform that is named with --url makes the copy and goes on meanwhile, and so does that of `larkspur dev` when it
    /// has the database open. The copy holds every secret; only you can read it.
    Backup {
        /// The file to make; one that exists is never overwritten.
        #[arg(value_name = "TO")]
        to: PathBuf,
        /// The database [default: that of the configuration, else that of `larkspur dev`].
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        platform: Platform,
    },
}

/// Where the database is when no file is named.
#[derive(Args)]
pub(crate) struct Place {
    /// The configuration file of `larkspur serve` [default: `larkspur.toml`, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const DEFAULT_CONFIG: &str = "larkspur.toml";

/// A database, and whose it is.
enum Database {
    /// One that was named, or that of a configuration.
    Given(PathBuf),
    /// That of `larkspur dev`.
    OfDev(PathBuf),
}

impl Database {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) | Self::OfDev(path) => path,
        }
    }
}

impl Place {
    fn database(self, file: Option<PathBuf>) -> Result<Database, Failure> {
        let found = || Path::new(DEFAULT_CONFIG).exists().then(|| DEFAULT_CONFIG.into());
        match (file, self.config.or_else(found)) {
            (Some(file), _) => Ok(Database::Given(file)),
            (None, Some(config)) => {
                let config = Config::read(&config).map_err(|error| Failure::new(Exit::Usage, error))?;
                Ok(Database::Given(config.data.join(DATABASE)))
            }
            (None, None) => Ok(Database::OfDev(Path::new(home::NAME).join(DATABASE))),
        }
    }
}

impl Store {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::Check { file, place } => run_check(ui, place.database(file)?.path()),
            Self::Backup {
                to,
                from,
                place,
                platform,
            } => {
                if to.exists() {
                    let there = format!("`{}` is there already", to.display());
                    return Err(Failure::msg(Exit::Usage, there).with_hint("choose another name for the copy"));
                }
                let bytes = make_backup(from, place, platform, &to).await?;
                ui.result(&json!({ "file": to, "bytes": bytes }), || {
                    format!("{}  {bytes} bytes", to.display())
                });
                Ok(())
            }
        }
    }
}

fn run_check(ui: &Ui, path: &Path) -> Result<(), Failure> {
    let report = check(path).map_err(|error| not_opened(error, "FILE"))?;
    let counts: serde_json::Map<String, Value> = report
        .counts
        .iter()
        .map(|(what, n)| (what.replace(' ', "_"), (*n).into()))
        .collect();
    let value = json!({
        "file": path, "sound": report.faults.is_empty(), "bytes": report.bytes, "log_bytes": report.log_bytes,
        "schema": report.schema, "schema_known": report.schema_known, "faults": report.faults, "counts": counts,
    });
    ui.result(&value, || text(path, &report));
    match report.faults.len() {
        0 => Ok(()),
        n => Err(Failure::msg(Exit::Failed, format!("{} found", count(n, "fault")))
            .with_hint("keep a copy of the file and start from the last backup; docs/operations.md says how")),
    }
}

fn text(path: &Path, report: &Report) -> String {
    let Report {
        bytes,
        log_bytes,
        schema,
        schema_known,
        faults,
        counts,
        ..
    } = report;
    let verdict = if faults.is_empty() { "sound" } else { "NOT SOUND" };
    let mut text = format!("{}  {verdict}\n", path.display());
    text.push_str(&format!(
        "  size    {bytes} bytes, and {log_bytes} in the log beside it\n"
    ));
    let update = if schema < schema_known {
        ", brought up to date at the next start"
    } else {
        ""
    };
    text.push_str(&format!("  schema  {schema} of {schema_known}{update}\n"));
    for (what, n) in counts {
        text.push_str(&format!("  {n:>10}  {what}\n"));
    }
    for fault in faults {
        text.push_str(&format!("  fault   {fault}\n"));
    }
    text
}

async fn make_backup(from: Option<PathBuf>, place: Place, platform: Platform, to: &Path) -> Result<u64, Failure> {
    if !platform.is_named() {
        let database = place.database(from)?;
        match backup(database.path(), to) {
            Ok(bytes) => return Ok(bytes),
            // The platform that has it makes the copy; it is known where that of `dev` is, and how to ask it.
            Err(BackupError::Open(OpenError::InUse { .. })) if matches!(database, Database::OfDev(_)) => {}
            Err(BackupError::Open(error @ OpenError::InUse { .. })) => {
                return Err(Failure::new(Exit::Failed, anyhow!(error)).with_hint(
                    "name the platform that has it open with --url and --token, and it makes the copy while it goes on",
                ));
            }
            Err(BackupError::Open(error)) => return Err(not_opened(error, "--from, or the platform with --url")),
            Err(error) => return Err(error.into()),
        }
    }
    // Under its name only once it is whole.
    let mut draft = to.as_os_str().to_owned();
    draft.push(".partial");
    let draft = PathBuf::from(draft);
    let written = download(platform, &draft).await.and_then(|bytes| {
        fs::rename(&draft, to).with_context(|| format!("`{}` cannot be written", to.display()))?;
        Ok(bytes)
    });
    if written.is_err() {
        // It may not even have been made.
        let _ = fs::remove_file(&draft);
    }
    written
}

async fn download(platform: Platform, draft: &Path) -> Result<u64, Failure> {
    let admin = platform.connect()?;
    let cannot = || format!("`{}` cannot be written", draft.display());
    let mut file = home::private_file(draft).with_context(cannot)?;
    let bytes = admin.download(To(&["backup"], &[]), &mut file).await?;
    file.sync_all().with_context(cannot)?;
    Ok(bytes)
}

fn not_opened(error: OpenError, name_it: &str) -> Failure {
    let hint = match &error {
        OpenError::InUse { .. } => {
            "a platform has it open: stop that first, or check the copy that `larkspur store backup` makes".to_owned()
        }
        OpenError::Io { .. } => format!("name the database with {name_it}"),
        _ => "check that the file is yours to read, and that a platform wrote it".to_owned(),
    };
    Failure::new(Exit::Failed, anyhow!(error)).with_hint(hint)
}
