//! Looking over a file that no platform has open: is it whole, which schema has it, what is in it.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row};

use crate::open::{OpenError, connect_to_look, log_path, take_lock};
use crate::{ids, migrate};

/// As many faults are listed; more of them say nothing new.
const FAULTS_MAX: usize = 100;

const INTEGRITY: &str = "PRAGMA integrity_check(100)";
const FOREIGN_KEYS: &str = "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT 100";
// What a node that starts would not find.
const LOST: &str = "SELECT count(*) FROM delivery WHERE leased = 2 AND id <= (SELECT after FROM fresh)";
/// Since when a lease or an id may be in no index.
const FRESH_SINCE: i64 = 7;
/// What is counted, in the order it is shown.
const COUNTS: [(&str, &str); 8] = [
    ("apps", "SELECT count(*) FROM app"),
    ("bindings", "SELECT count(*) FROM binding"),
    ("tokens", "SELECT count(*) FROM token"),
    ("events", "SELECT count(*) FROM event"),
    ("pending deliveries", "SELECT count(*) FROM delivery WHERE state = 0"),
    ("delivered deliveries", "SELECT count(*) FROM delivery WHERE state = 1"),
    ("dead deliveries", "SELECT count(*) FROM delivery WHERE state = 2"),
    ("attempts", "SELECT count(*) FROM attempt"),
];

/// What a look at a store's file found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The file's size.
    pub bytes: u64,
    /// The size of the log beside it, which the next start moves into it; 0 after an orderly end.
    pub log_bytes: u64,
    /// The version of its schema; older ones are brought up to date when a platform opens the file.
    pub schema: i64,
    /// The newest version that this program knows.
    pub schema_known: i64,
    /// Everything that is wrong, at most a hundred of each kind.
    pub faults: Vec<String>,
    /// How many there are of what.
    pub counts: Vec<(&'static str, u64)>,
}

/// Looks over a store's file and changes nothing: its pages and indexes, what refers to what, the schema.
///
/// A fault is in the report; an error means that it could not be looked at, for example because a platform has it.
pub fn check(path: &Path) -> Result<Report, OpenError> {
    let bytes = fs::metadata(path).map_err(|source| OpenError::Io {
        path: path.to_owned(),
        source,
    });
    let mut report = Report {
        bytes: bytes?.len(),
        log_bytes: fs::metadata(log_path(path)).map_or(0, |log| log.len()),
        schema_known: migrate::known(),
        ..Report::default()
    };
    let _lock = take_lock(path)?;
    if let Err(error) = look(path, &mut report) {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                report.faults.push(error.to_string());
            }
            _ => {
                return Err(OpenError::Sqlite {
                    path: path.to_owned(),
                    source: Box::new(error),
                });
            }
        }
    }
    Ok(report)
}

fn look(path: &Path, report: &mut Report) -> rusqlite::Result<()> {
    let connection = connect_to_look(path)?;
    let text = |row: &Row<'_>| row.get::<_, String>(0);
    let found = all(&connection, INTEGRITY, text)?;
    report.faults.extend(found.into_iter().filter(|line| line != "ok"));
    let (schema, faults) = migrate::look(&connection)?;
    report.schema = schema;
    report.faults.extend(faults);
    let orphan = |row: &Row<'_>| {
        // Not every table numbers its rows.
        let (table, row_id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let row = row_id.map_or_else(|| "a row".to_owned(), |row_id| format!("row {row_id}"));
        Ok(format!(
            "{row} of `{table}` names a row of `{parent}` that is not there"
        ))
    };
    report.faults.extend(all(&connection, FOREIGN_KEYS, orphan)?);
    if schema >= FRESH_SINCE {
        let lost: i64 = connection.query_row(LOST, [], |row| row.get(0))?;
        let lost = (lost > 0).then(|| format!("{lost} leased deliveries are in no index and would never be pushed"));
        report.faults.extend(lost);
        let missing = ids::missing(&connection)?.into_iter().take(FAULTS_MAX);
        let fault = |id| format!("the id of event `{id}` is in no index, so that it could be accepted twice");
        report.faults.extend(missing.map(fault));
    }
    for (what, sql) in COUNTS {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        report.counts.push((what, count.unsigned_abs()));
    }
    Ok(())
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], read)?;
    rows.take(FAULTS_MAX).collect()
}
