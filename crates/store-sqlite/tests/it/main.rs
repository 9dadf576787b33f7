//! The embedded store from outside: the claims of the ports, the file, the commits, a killed process.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

mod commit;
mod conformance;
mod damage;
mod file;
mod kill;
mod log;
mod model;
mod upkeep;

use std::path::Path;

use larkspur_store::{DeliveryId, DeliveryQueue, NewDelivery, NewEvent, Start};
use larkspur_store_sqlite::{OpenError, Options, SqliteStore};
use larkspur_wire::{AppId, EventId, TimestampMs};

/// Opens the store of a folder; of a few event ids some are in memory and some in the file.
fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    let options = Options {
        ids_in_memory_max: 3,
        ..Options::default()
    };
    SqliteStore::open(&dir.join("larkspur.db"), &options)
}

/// Event `n` with a delivery of that number.
fn event(n: u32) -> NewEvent {
    NewEvent {
        id: EventId::mint(u128::from(n).to_be_bytes()),
        event_type: "im.message.receive_v1".parse().unwrap(),
        tenant_key: None,
        create_time: TimestampMs(0),
        accepted_at: TimestampMs(0),
        payload: "{}".into(),
        digest: [0; 32],
        deliveries: vec![NewDelivery {
            id: DeliveryId(n.into()),
            app_id: AppId::mint([1; 8]),
            withheld: Vec::new(),
            start: Start::Leased,
        }],
        lease_until: TimestampMs(1),
        binds: Vec::new(),
        known_only: false,
    }
}

/// A closed store with `events` events.
async fn closed(dir: &Path, events: u32) {
    let store = open(dir).unwrap();
    for n in 1..=events {
        store.accept(vec![event(n)]).await.unwrap();
    }
    store.close().await;
}

/// Changes a file behind the store's back.
fn alter(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}
