//! Accepting: an event, its deliveries and its bindings, all or nothing.

use std::sync::MutexGuard;

use larkspur_store::{Accepted, DeliveryId, NewDelivery, NewEvent, Start, StoreError, WAITING};
use larkspur_wire::AppId;
use rusqlite::{CachedStatement, Connection, Row, Transaction, params};

use crate::failed;
use crate::fresh::{Fresh, Mark};
use crate::ids::{Ids, Lookup};
use crate::registry::{SAVE_BINDING, all};
use crate::row::{parsed, read_delivery_id, write_withheld};
use crate::write::execute;

// By the primary key.
pub(crate) const KNOWN: &str = "SELECT digest, payload FROM event WHERE seq = ?1";
const NEW_EVENT: &str = "INSERT INTO event \
     (id, event_type, tenant_key, create_time, accepted_at, first_delivery, last_delivery, digest, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const NEW_DELIVERY: &str = "INSERT INTO delivery \
     (id, event_seq, app_id, withheld, state, leased, due_at, attempts, generation, order_key) \
     VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, 0, ?5 <> 0, ?7)";
// By delivery_in_order.
pub(crate) const PREDECESSOR: &str =
    "SELECT 1 FROM delivery WHERE state = 0 AND app_id = ?1 AND order_key = ?2 LIMIT 1";
// By the primary keys of both.
pub(crate) const DELIVERIES_OF: &str = "SELECT d.id, d.app_id FROM event AS e CROSS JOIN delivery AS d \
     ON d.id BETWEEN e.first_delivery AND e.last_delivery AND +d.event_seq = e.seq WHERE e.seq = ?1 ORDER BY d.id";

pub(crate) const ACCEPT: &str = "accept events";

/// About what a row takes besides the payload: ids, digest, and the list it is in.
const ROW_BYTES: usize = 512;

/// What an event takes while it waits, about.
pub(crate) fn bytes(event: &NewEvent) -> usize {
    event.payload.len() + ROW_BYTES * (1 + event.deliveries.len())
}

/// What every event of a batch needs, prepared once.
pub(crate) struct Accepting<'a> {
    tx: &'a Transaction<'a>,
    ids: &'a Ids,
    known: Lookup<'a>,
    mark: MutexGuard<'a, Mark>,
    new_event: CachedStatement<'a>,
    new_delivery: CachedStatement<'a>,
}

impl<'a> Accepting<'a> {
    pub(crate) fn new(tx: &'a Transaction<'_>, ids: &'a Ids, fresh: &'a Fresh) -> Result<Self, StoreError> {
        let prepare = |sql| tx.prepare_cached(sql).map_err(failed(ACCEPT));
        Ok(Self {
            tx,
            ids,
            known: ids.lookup(tx)?,
            mark: fresh.mark(),
            new_event: prepare(NEW_EVENT)?,
            new_delivery: prepare(NEW_DELIVERY)?,
        })
    }

    /// Stores one event, or says why not.
    pub(crate) fn accept(&mut self, event: &NewEvent) -> Result<Accepted, StoreError> {
        if let Some(seq) = self.known.find(&event.id)? {
            return accept_again(self.tx, seq, event);
        }
        if event.known_only {
            return Ok(Accepted::Unknown);
        }
        let tenant_key = event.tenant_key.as_ref().map(larkspur_wire::TenantKey::as_str);
        let ids = event.deliveries.iter().map(|delivery| delivery.id);
        let bytes = |id: Option<DeliveryId>| id.map(|DeliveryId(id)| id.to_be_bytes());
        let row = params![
            event.id.as_str(),
            event.event_type.as_str(),
            tenant_key,
            event.create_time.0,
            event.accepted_at.0,
            bytes(ids.clone().min()),
            bytes(ids.max()),
            event.digest,
            &event.payload[..],
        ];
        self.new_event.execute(row).map_err(failed(ACCEPT))?;
        let seq = self.tx.last_insert_rowid();
        self.ids.add(&event.id, seq);
        for delivery in &event.deliveries {
            self.deliver(event, seq, delivery)?;
        }
        for (key, app_id) in &event.binds {
            execute(
                self.tx,
                ACCEPT,
                SAVE_BINDING,
                params![key.kind, key.id, app_id.as_str()],
            )?;
        }
        Ok(Accepted::New)
    }

    fn deliver(&mut self, event: &NewEvent, event_seq: i64, delivery: &NewDelivery) -> Result<(), StoreError> {
        let app_id = delivery.app_id.as_str();
        let (leased, due_at, key) = match &delivery.start {
            Start::Leased => (self.mark.accept(delivery.id), event.lease_until, None),
            Start::Due => (0, event.accepted_at, None),
            Start::InOrder { key } => {
                let waits = self
                    .tx
                    .prepare_cached(PREDECESSOR)
                    .and_then(|mut statement| statement.exists(params![app_id, key]))
                    .map_err(failed(ACCEPT))?;
                (0, if waits { WAITING } else { event.accepted_at }, Some(key))
            }
        };
        let row = params![
            delivery.id.0.to_be_bytes(),
            event_seq,
            app_id,
            write_withheld(&delivery.withheld),
            leased,
            due_at.0,
            key,
        ];
        self.new_delivery.execute(row).map(drop).map_err(failed(ACCEPT))
    }
}

/// An event whose id is known.
fn accept_again(tx: &Transaction<'_>, seq: i64, event: &NewEvent) -> Result<Accepted, StoreError> {
    let compare =
        |row: &Row<'_>| Ok(row.get_ref(0)?.as_blob()? == event.digest && row.get_ref(1)?.as_blob()? == event.payload);
    let same = tx
        .prepare_cached(KNOWN)
        .and_then(|mut statement| statement.query_row([seq], compare))
        .map_err(failed(ACCEPT))?;
    if same {
        Ok(Accepted::Repeated(deliveries_of(tx, seq)?))
    } else {
        Ok(Accepted::Conflict)
    }
}

fn deliveries_of(connection: &Connection, event_seq: i64) -> Result<Vec<(DeliveryId, AppId)>, StoreError> {
    let read = |row: &Row<'_>| Ok((read_delivery_id(row, 0)?, parsed(row, 1, "delivery")?));
    all(connection, ACCEPT, DELIVERIES_OF, [event_seq], read)
}
