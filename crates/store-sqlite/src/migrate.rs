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
    include_str!("../migrations/0006_fewer_trees.sql"),
    include_str!("../migrations/0007_late_indexes.sql"),
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, checksum BLOB NOT NULL) STRICT";
const APPLIED: &str = "SELECT number, checksum FROM migration ORDER BY number";
const REMEMBER: &str = "INSERT INTO migration (number, checksum) VALUES (?1, ?2)";

/// Applies what is missing, in one transaction.
pub(crate) fn migrate(
    connection: &mut Connection,
    sqlite: impl Fn(rusqlite::Error) -> OpenError + Copy,
) -> Result<(), OpenError> {
    apply(connection, MIGRATIONS, sqlite)
}

fn apply(
    connection: &mut Connection,
    migrations: &[&str],
    sqlite: impl Fn(rusqlite::Error) -> OpenError + Copy,
) -> Result<(), OpenError> {
    let transaction = connection.transaction().map_err(sqlite)?;
    transaction.execute_batch(CREATE).map_err(sqlite)?;
    let applied = applied(&transaction).map_err(sqlite)?;
    let known = migrations.len() as i64;
    if let Some((found, _)) = applied.last().filter(|(number, _)| *number > known) {
        return Err(OpenError::Newer { found: *found, known });
    }
    for ((number, checksum), sql) in applied.iter().zip(migrations) {
        if *checksum != Sha256::digest(sql)[..] {
            return Err(OpenError::Changed { number: *number });
        }
    }
    for (idx, sql) in migrations.iter().enumerate().skip(applied.len()) {
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

/// A database of the newest version, in memory.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    // As the connections that `open` makes.
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    migrate(&mut connection, |error| panic!("{error}")).unwrap();
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One event for two apps: delivered by the third attempt, of which the second was written down last, and pending.
    const OF_VERSION_5: &str = "
        INSERT INTO event VALUES (7, 'event', 'app_ticket', NULL, 1, 2, x'00', x'7b7d');
        INSERT INTO delivery VALUES (3, x'0b', 7, 'two', NULL, 0, 1, 9, 0, 1, 'key');
        INSERT INTO delivery VALUES (4, x'0a', 7, 'one', '[\"a\"]', 1, 0, 5, 3, 3, NULL);
        INSERT INTO attempt VALUES (1, 4, 1, 10, 'webhook', 'there', 500, 100, x'', 'no');
        INSERT INTO attempt VALUES (2, 4, 3, 30, 'webhook', 'there', 200, 300, x'01', NULL);
        INSERT INTO attempt VALUES (3, 4, 2, 20, 'webhook', 'there', NULL, 200, x'', 'late');
    ";

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn deliveries_and_attempts_of_version_5_are_the_same_in_version_6() {
        let mut connection = Connection::open_in_memory().unwrap();
        // As the connections that `open` makes.
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let failed = |error| panic!("{error}");
        apply(&mut connection, &MIGRATIONS[..5], failed).unwrap();
        connection.execute_batch(OF_VERSION_5).unwrap();
        migrate(&mut connection, failed).unwrap();
        let deliveries = "SELECT concat_ws('|', hex(id), event_seq, app_id, withheld, state, leased, due_at, attempts, \
                          generation, order_key, last_attempt) FROM delivery ORDER BY id";
        assert_eq!(
            texts(&connection, deliveries),
            ["0A|7|one|[\"a\"]|1|0|5|3|3|2", "0B|7|two|0|1|9|0|1|key"]
        );
        let attempts = "SELECT concat_ws('|', seq, hex(delivery_id), coalesce(previous, '-'), number, started_at, mode, \
                        target, code, took_us, hex(answer), error) FROM attempt ORDER BY number";
        assert_eq!(
            texts(&connection, attempts),
            [
                "1|0A|-|1|10|webhook|there|500|100||no",
                "3|0A|1|2|20|webhook|there|200||late",
                "2|0A|3|3|30|webhook|there|200|300|01"
            ]
        );
        assert_eq!(look(&connection).unwrap(), (known(), Vec::new()));
    }
}
