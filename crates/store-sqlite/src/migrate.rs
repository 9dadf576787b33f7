//! Numbered migrations, each applied once and never changed afterwards.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::open::OpenError;

/// In order; the number is the place in this list, from 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_due_covers.sql"),
    include_str!("../migrations/0003_due_by_app.sql"),
    include_str!("../migrations/0004_log_by_time.sql"),
    include_str!("../migrations/0005_plain_numbers.sql"),
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, checksum BLOB NOT NULL) STRICT";
const APPLIED: &str = "SELECT number, checksum FROM migration ORDER BY number";
const REMEMBER: &str = "INSERT INTO migration (number, checksum) VALUES (?1, ?2)";

/// Applies what is missing, in one transaction.
pub(crate) fn migrate(
    connection: &mut Connection,
    sqlite: impl Fn(rusqlite::Error) -> OpenError + Copy,
) -> Result<(), OpenError> {
    let transaction = connection.transaction().map_err(sqlite)?;
    transaction.execute_batch(CREATE).map_err(sqlite)?;
    let applied = applied(&transaction).map_err(sqlite)?;
    let known = MIGRATIONS.len() as i64;
    if let Some((found, _)) = applied.last().filter(|(number, _)| *number > known) {
        return Err(OpenError::Newer { found: *found, known });
    }
    for ((number, checksum), sql) in applied.iter().zip(MIGRATIONS) {
        if *checksum != Sha256::digest(sql)[..] {
            return Err(OpenError::Changed { number: *number });
        }
    }
    for (idx, sql) in MIGRATIONS.iter().enumerate().skip(applied.len()) {
        transaction.execute_batch(sql).map_err(sqlite)?;
        transaction
            .execute(REMEMBER, params![idx as i64 + 1, &Sha256::digest(sql)[..]])
            .map_err(sqlite)?;
    }
    transaction.commit().map_err(sqlite)
}

/// The newest migration that is known.
pub(crate) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// The newest migration of a file, and what is wrong with those that it has.
pub(crate) fn look(connection: &Connection) -> rusqlite::Result<(i64, Vec<String>)> {
    let applied = applied(connection)?;
    let changed = applied
        .iter()
        .zip(MIGRATIONS)
        .filter(|((_, checksum), sql)| *checksum != Sha256::digest(sql)[..])
        .map(|((number, _), _)| format!("migration {number} was changed after it had been applied"));
    let mut faults: Vec<_> = changed.collect();
    let newest = applied.last().map_or(0, |(number, _)| *number);
    if newest > known() {
        let known = known();
        faults.push(format!(
            "the schema has version {newest}, and this program knows versions up to {known}"
        ));
    }
    Ok((newest, faults))
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let mut statement = connection.prepare(APPLIED)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
