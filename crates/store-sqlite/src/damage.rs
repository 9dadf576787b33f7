//! Damaged pages: what is on them is told of once, left alone until the next start, and holds up no other app.
//!
//! SQLite commits no transaction in which it has met a damaged page, and writes nothing more in it. So whoever meets one
//! remembers what is on it, and fails; the transaction is undone, and run again without that.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larkspur_store::{DeliveryId, StoreError};
use larkspur_wire::AppId;
use rusqlite::ErrorCode;

/// More are not remembered: nothing but a backup helps a file like that.
const REMEMBERED_MAX: usize = 10_000;

/// What could not be read since the start.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    deliveries: BTreeSet<DeliveryId>,
    events: BTreeSet<i64>,
    /// Apps whose due deliveries cannot be found.
    apps: BTreeSet<AppId>,
}

impl Damaged {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, id: DeliveryId) -> bool {
        self.rows().deliveries.contains(&id)
    }

    pub(crate) fn has_event(&self, seq: i64) -> bool {
        self.rows().events.contains(&seq)
    }

    /// How many deliveries that are; at most [`REMEMBERED_MAX`].
    pub(crate) fn deliveries(&self) -> u32 {
        u32::try_from(self.rows().deliveries.len()).unwrap_or(u32::MAX)
    }

    /// How many rows that are.
    pub(crate) fn count(&self) -> u64 {
        let rows = self.rows();
        (rows.deliveries.len() + rows.events.len() + rows.apps.len()) as u64
    }

    /// Whether there are any with ids after this one.
    pub(crate) fn has_after(&self, id: DeliveryId) -> bool {
        self.rows().deliveries.last().is_some_and(|last| *last > id)
    }

    pub(crate) fn has_app(&self, id: &AppId) -> bool {
        self.rows().apps.contains(id)
    }

    /// Remembers the app if this error says that the index of what is due for it is damaged.
    pub(crate) fn note_app(&self, id: &AppId, error: &StoreError) {
        if is_damage(error) && remember(&mut self.rows().apps, id.clone()) {
            let error = error as &dyn Error;
            tracing::error!(app.id = %id, error, "what is due for an app cannot be found, and is left alone; look over the file with `larkspur store check`");
        }
    }

    /// Remembers the delivery if this error says that it is damaged.
    pub(crate) fn note(&self, id: DeliveryId, error: &StoreError) {
        if is_damage(error) && remember(&mut self.rows().deliveries, id) {
            let error = error as &dyn Error;
            tracing::error!(delivery.id = %id, error, "a delivery cannot be read, and is left alone; look over the file with `larkspur store check`");
        }
    }

    /// Remembers which of these deliveries cannot be read, so that they fail no other transaction.
    pub(crate) fn look_over<T>(
        &self,
        ids: impl IntoIterator<Item = DeliveryId>,
        read: impl Fn(DeliveryId) -> Result<T, StoreError>,
    ) {
        for id in ids {
            if !self.has(id)
                && let Err(error) = read(id)
            {
                self.note(id, &error);
            }
        }
    }

    /// Remembers the event if this error says that it is damaged.
    pub(crate) fn note_event(&self, seq: i64, error: &StoreError) {
        if is_damage(error) && remember(&mut self.rows().events, seq) {
            let error = error as &dyn Error;
            tracing::error!(
                seq,
                error,
                "an event cannot be read, and stays; look over the file with `larkspur store check`"
            );
        }
    }
}

fn remember<T: Ord>(rows: &mut BTreeSet<T>, row: T) -> bool {
    rows.len() < REMEMBERED_MAX && rows.insert(row)
}

/// Whether what was read is to blame, and not the disk as a whole or the question.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { .. } => true,
        StoreError::Backend { source, .. } => source.downcast_ref().is_some_and(|error| match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => true,
            error => is_corrupt(error),
        }),
        _ => false,
    }
}

/// Whether SQLite has met a damaged page.
pub(crate) fn is_corrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}
