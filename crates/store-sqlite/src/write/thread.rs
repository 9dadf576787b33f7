//! The thread that writes: takes what waits, commits it together, answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Connection, Transaction};

use super::{Counters, Job};
use crate::checkpoint::Checkpoints;
use crate::damage::is_corrupt;
use crate::ids::Ids;
use crate::lanes::Lanes;

const BEGIN_JOB: &str = "SAVEPOINT job";
const UNDO_JOB: &str = "ROLLBACK TO job";
const END_JOB: &str = "RELEASE job";
const CHANGE_NOTHING: &str = "DELETE FROM fresh WHERE false";

/// Held by the writing thread: however it ends, nobody waits for it any longer.
pub(super) struct Abandon(pub(super) Arc<Lanes>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Writes what waits until the lanes are closed.
pub(super) fn write(
    mut connection: Connection,
    checkpoints: Checkpoints,
    lanes: &Lanes,
    ids: &Ids,
    counters: &Counters,
) {
    while let Some(batch) = lanes.take() {
        commit_and_answer(&mut connection, batch, ids, counters);
    }
    if let Err(error) = ids.close(&mut connection) {
        tracing::debug!("event ids are not in their index, the next start reads them: {error}");
    }
    checkpoints.end(&mut connection);
    // The last connection to close moves everything into the one file.
    if let Err((_, error)) = connection.close() {
        tracing::debug!("the last checkpoint failed, the next start makes up for it: {error}");
    }
}

/// A batch with one that meets a damaged page cannot be committed, so it is halved until that one is alone.
fn commit_and_answer(connection: &mut Connection, mut batch: Vec<Box<dyn Job>>, ids: &Ids, counters: &Counters) {
    let committed = commit(connection, &mut batch, ids, counters);
    match committed {
        Ok(()) => ids.committed(),
        Err(_) => ids.undone(0),
    }
    counters.commits.fetch_add(1, Ordering::Relaxed);
    if batch.len() > 1 && committed.as_ref().is_err_and(is_corrupt) {
        let others = batch.split_off(batch.len() / 2);
        commit_and_answer(connection, batch, ids, counters);
        return commit_and_answer(connection, others, ids, counters);
    }
    counters.failed.fetch_add(committed.is_err().into(), Ordering::Relaxed);
    counters.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
    for job in batch {
        job.answer(committed.as_ref().copied());
    }
}

/// One job that fails never fails another. They need no savepoint while none fails: when one does, the transaction begins
/// anew, and each has its own.
fn commit(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
    ids: &Ids,
    counters: &Counters,
) -> rusqlite::Result<()> {
    let begin = rusqlite::TransactionBehavior::Immediate;
    let mut transaction = connection.transaction_with_behavior(begin)?;
    if !batch.iter_mut().all(|job| job.run(&transaction)) {
        // A full disk may have undone it already, and one that met a damaged page can only be undone.
        drop(transaction);
        ids.undone(0);
        transaction = connection.transaction_with_behavior(begin)?;
        run_apart(&transaction, batch, ids, counters)?;
    }
    ids.fold(&transaction)?;
    let started = Instant::now();
    transaction.commit()?;
    counters.took.add(started.elapsed());
    Ok(())
}

/// Runs each job in a savepoint of its own.
fn run_apart(
    transaction: &Transaction<'_>,
    batch: &mut [Box<dyn Job>],
    ids: &Ids,
    counters: &Counters,
) -> rusqlite::Result<()> {
    for job in batch {
        let changes = ids.changes();
        transaction.prepare_cached(BEGIN_JOB)?.execute([])?;
        if !job.run(transaction) {
            // After a damaged page nothing can be written, and the next job would take that for its own trouble.
            transaction.prepare_cached(CHANGE_NOTHING)?.execute([])?;
            counters.failed.fetch_add(1, Ordering::Relaxed);
            transaction.prepare_cached(UNDO_JOB)?.execute([])?;
            ids.undone(changes);
        }
        transaction.prepare_cached(END_JOB)?.execute([])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use larkspur_store::StoreError;

    use super::super::{Work, execute};
    use super::*;
    use crate::migrate::in_memory;

    #[test]
    fn a_transaction_that_cannot_begin_is_the_backends_failure() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let (work, answer) = Work::new("try", |_: &Transaction<'_>| Ok(()));
        let mut batch: Vec<Box<dyn Job>> = vec![Box::new(work)];
        let committed = commit(&mut connection, &mut batch, &Ids::default(), &Counters::default());
        for job in batch {
            job.answer(committed.as_ref().copied());
        }
        let answer = answer.blocking_recv().unwrap();
        assert!(
            matches!(answer, Err(StoreError::Backend { doing: "try", .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn one_that_fails_among_those_that_may_be_run_again_fails_alone() {
        let mut connection = in_memory();
        connection.execute_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let insert = |n: i64| -> Box<dyn Job> {
            let run = move |tx: &Transaction<'_>| execute(tx, "try", "INSERT INTO t VALUES (?1)", [n]);
            Box::new(Work::new("try", run).0)
        };
        let mut batch: Vec<_> = [1, 2, 2, 3].map(insert).into();
        let counters = Counters::default();
        commit(&mut connection, &mut batch, &Ids::default(), &counters).unwrap();
        let sum: i64 = connection
            .query_row("SELECT sum(n) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!((sum, counters.failed.load(Ordering::Relaxed)), (6, 1));
    }
}
