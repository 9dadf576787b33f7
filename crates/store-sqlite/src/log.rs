//! Reading what happened, newest first, in pages.

use async_trait::async_trait;
use larkspur_store::{Attempt, Delivery, DeliveryId, DeliveryQuery, EventQuery, EventRow, Log, Page, StoreError};
use larkspur_wire::EventId;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::SqliteStore;
use crate::queue::event_seq;
use crate::registry::all;
use crate::row::{
    ATTEMPT_COLUMNS, DELIVERY_COLUMNS, EVENT_COLUMNS, corrupt, read_attempt, read_delivery, read_event, state_number,
};

/// A page has at most this many rows.
const LIMIT_MAX: u32 = 1_000;

/// A query put together from the conditions that were asked for; each has an index or narrows a scan of one.
struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    fn from(columns: &str, from: &str) -> Self {
        Self {
            sql: format!("SELECT {columns} FROM {from} WHERE TRUE"),
            values: Vec::new(),
        }
    }

    fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
    }

    fn all<T>(
        mut self,
        connection: &Connection,
        order: &str,
        limit: u32,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.sql.push_str(&format!(" ORDER BY {order} LIMIT {limit}"));
        all(
            connection,
            "read the log",
            &self.sql,
            params_from_iter(self.values),
            read,
        )
    }
}

/// Cuts the one row more than asked for, which tells that there is a next page.
fn page<T>(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(cursor) } else { None };
    Page { rows, next }
}

/// By event.seq, or `event_by_type`.
fn events(connection: &Connection, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let after = query
        .after
        .as_ref()
        .map(|text| text.parse::<i64>().map_err(|_| corrupt("cursor", text)))
        .transpose()?;
    let mut select = Select::from(&format!("{EVENT_COLUMNS}, e.seq"), "event AS e");
    select.and("e.event_type = ?", query.event_type.as_ref().map(ToString::to_string));
    select.and("e.tenant_key = ?", query.tenant_key.as_ref().map(ToString::to_string));
    select.and("e.seq < ?", after);
    let read = |row: &Row<'_>| {
        let seq: i64 = row.get(6).map_err(|error| corrupt("event", &error))?;
        Ok((seq, read_event(row, 0)?))
    };
    let found = page(
        select.all(connection, "e.seq DESC", limit + 1, read)?,
        limit,
        |(seq, _)| seq.to_string(),
    );
    Ok(Page {
        rows: found.rows.into_iter().map(|(_, event)| event).collect(),
        next: found.next,
    })
}

/// By delivery.id, `delivery_by_event` or `delivery_by_app`.
fn deliveries(connection: &Connection, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let mut select = Select::from(DELIVERY_COLUMNS, "delivery AS d JOIN event AS e ON e.seq = d.event_seq");
    if let Some(id) = &query.event_id {
        let Some(seq) = event_seq(connection, id)? else {
            return Ok(Page {
                rows: Vec::new(),
                next: None,
            });
        };
        select.and("d.event_seq = ?", Some(seq));
    }
    select.and("d.app_id = ?", query.app_id.as_ref().map(ToString::to_string));
    select.and("d.state = ?", query.state.map(state_number));
    select.and("d.id < ?", query.after.map(|id| id.0.to_be_bytes().to_vec()));
    Ok(page(
        select.all(connection, "d.id DESC", limit + 1, read_delivery)?,
        limit,
        |row| row.id.to_string(),
    ))
}

/// By delivery.id and `attempt_by_delivery`.
fn attempts(connection: &Connection, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
    let mut select = Select::from(ATTEMPT_COLUMNS, "attempt");
    select.and(
        "delivery_seq = (SELECT seq FROM delivery WHERE id = ?)",
        Some(id.0.to_be_bytes().to_vec()),
    );
    select.all(connection, "number, seq", LIMIT_MAX, read_attempt)
}

#[async_trait]
impl Log for SqliteStore {
    async fn event(&self, id: &EventId) -> Result<Option<EventRow>, StoreError> {
        let id = id.to_string();
        let query = move |connection: &Connection| {
            let mut select = Select::from(EVENT_COLUMNS, "event AS e");
            select.and("e.id = ?", Some(id));
            Ok(select.all(connection, "e.seq", 1, |row| read_event(row, 0))?.pop())
        };
        self.readers.read(query).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
        let query = query.clone();
        self.readers.read(move |connection| events(connection, &query)).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
        let query = query.clone();
        self.readers
            .read(move |connection| deliveries(connection, &query))
            .await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(move |connection| attempts(connection, id)).await
    }
}
