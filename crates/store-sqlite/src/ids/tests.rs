//! Ids against the rows of the events: whatever is undone, folded or read again after a crash.

use proptest::prelude::*;

use super::*;
use crate::migrate::in_memory;

const EVENTS: u8 = 12;
const NEW_EVENT: &str = "INSERT INTO event (id, event_type, create_time, accepted_at, digest, payload) \
     VALUES (?1, 'app_ticket', 0, 0, x'', x'')";

#[derive(Clone, Copy, Debug)]
enum Ending {
    Commit,
    Undo,
    /// The last step alone is undone.
    UndoLast,
    /// Another process opens what was committed.
    Crash,
}

fn id(event: u8) -> EventId {
    EventId::mint(u128::from(event).to_be_bytes())
}

/// Publishes an event, or deletes it when it is there.
fn step(tx: &Transaction<'_>, ids: &Ids, event: u8) {
    let id = id(event);
    if let Some(seq) = ids.find(tx, &id).unwrap() {
        ids.remove(tx, &id, seq).unwrap();
        tx.execute("DELETE FROM event WHERE seq = ?1", [seq]).unwrap();
    } else {
        tx.execute(NEW_EVENT, [id.as_str()]).unwrap();
        ids.add(&id, tx.last_insert_rowid());
    }
}

fn transact(connection: &mut Connection, ids: &mut Ids, steps: &[u8], ending: Ending) {
    let tx = connection.transaction().unwrap();
    for (idx, event) in steps.iter().enumerate() {
        let kept = ids.changes();
        tx.execute_batch("SAVEPOINT job").unwrap();
        step(&tx, ids, *event);
        if idx + 1 == steps.len() && matches!(ending, Ending::UndoLast) {
            tx.execute_batch("ROLLBACK TO job").unwrap();
            ids.undone(kept);
        }
        tx.execute_batch("RELEASE job").unwrap();
    }
    ids.fold(&tx).unwrap();
    if matches!(ending, Ending::Undo) {
        tx.rollback().unwrap();
        return ids.undone(0);
    }
    tx.commit().unwrap();
    ids.committed();
    if matches!(ending, Ending::Crash) {
        *ids = Ids::open_with(connection, 2, 1).unwrap();
    }
}

proptest! {
    /// Numbers are given anew when the last events are deleted, so that the mark goes back too.
    #[test]
    fn every_id_is_found_and_no_other(
        transactions in prop::collection::vec(
            (
                prop::collection::vec(0..EVENTS, 0..8),
                prop::sample::select(vec![Ending::Commit, Ending::Undo, Ending::UndoLast, Ending::Crash]),
            ),
            1..30,
        )
    ) {
        let mut connection = in_memory();
        let mut ids = Ids::open_with(&mut connection, 2, 1).unwrap();
        for (steps, ending) in transactions {
            transact(&mut connection, &mut ids, &steps, ending);
            for event in 0..EVENTS {
                let seq = "SELECT max(seq) FROM event WHERE id = ?1";
                let expected: Option<i64> = connection.query_row(seq, [id(event).as_str()], |row| row.get(0)).unwrap();
                prop_assert_eq!(ids.find(&connection, &id(event)).unwrap(), expected);
            }
            prop_assert_eq!(missing(&connection).unwrap(), Vec::<String>::new());
        }
    }
}

#[test]
fn what_is_too_much_for_the_memory_goes_to_the_file_in_order() {
    let mut connection = in_memory();
    let mut ids = Ids::open(&mut connection, 4).unwrap();
    transact(&mut connection, &mut ids, &[0, 1, 2, 3, 4, 5, 6], Ending::Commit);
    let printed = "SELECT count(*), max(print) FROM event_print";
    let (count, last): (i64, i64) = connection
        .query_row(printed, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let left = ids.newest().next(1)[0];
    assert_eq!(count, 3);
    assert!(last < left.0, "the next ones follow");
}
