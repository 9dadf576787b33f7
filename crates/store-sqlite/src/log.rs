//! Reading what happened, newest first, in pages.

use async_trait::async_trait;
use larkspur_store::{
    Attempt, Delivery, DeliveryId, DeliveryQuery, EventQuery, EventRow, LIMIT_MAX, Log, Page, StoreError,
};
use larkspur_wire::EventId;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::SqliteStore;
use crate::queue::event_seq;
use crate::registry::all;
use crate::row::{
    ATTEMPT_COLUMNS, DELIVERY_COLUMNS, EVENT_COLUMNS, corrupt, read_attempt, read_delivery, read_event, state_number,
};

/// A query put together from the conditions that were asked for; each has an index or narrows a scan of one.
pub(crate) struct Select {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Select {
    fn from(columns: &str, from: &str) -> Self {
        Self {
            sql: format!("SELECT {columns} FROM {from} WHERE TRUE"),
            values: Vec::new(),
        }
    }

    fn and(mut self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
        self
    }

    fn order(mut self, order: &str, limit: u32) -> Self {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        self.values.push(limit.into());
        self
    }

    fn all<T>(
        self,
        connection: &Connection,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let values = params_from_iter(self.values);
        all(connection, "read the log", &self.sql, values, read)
    }
}

/// Cuts the one row more than asked for, which tells that there is a next page.
fn page<T>(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(cursor) } else { None };
    Page { rows, next }
}

/// By the unique index on event.id.
pub(crate) fn select_event(id: &EventId) -> Select {
    Select::from(EVENT_COLUMNS, "event AS e")
        .and("e.id = ?", Some(id.to_string()))
        .order("e.seq", 1)
}

/// By the primary key, or `event_by_type`.
pub(crate) fn select_events(query: &EventQuery, after: Option<i64>, limit: u32) -> Select {
    Select::from(&format!("{EVENT_COLUMNS}, e.seq"), "event AS e")
        .and("e.event_type = ?", query.event_type.as_ref().map(ToString::to_string))
        .and("e.tenant_key = ?", query.tenant_key.as_ref().map(ToString::to_string))
        .and("e.seq < ?", after)
        .order("e.seq DESC", limit)
}

/// By the unique index on delivery.id, `delivery_by_event`, `delivery_by_app` or `delivery_dead`.
pub(crate) fn select_deliveries(query: &DeliveryQuery, event_seq: Option<i64>, limit: u32) -> Select {
    Select::from(DELIVERY_COLUMNS, "delivery AS d JOIN event AS e ON e.seq = d.event_seq")
        .and("d.event_seq = ?", event_seq)
        .and("d.app_id = ?", query.app_id.as_ref().map(ToString::to_string))
        .and("d.state = ?", query.state.map(state_number))
        .and("d.id < ?", query.after.map(|id| id.0.to_be_bytes().to_vec()))
        .order("d.id DESC", limit)
}

/// By the unique index on delivery.id and `attempt_by_delivery`.
pub(crate) fn select_attempts(id: DeliveryId) -> Select {
    let of_delivery = "delivery_seq = (SELECT seq FROM delivery WHERE id = ?)";
    Select::from(ATTEMPT_COLUMNS, "attempt")
        .and(of_delivery, Some(id.0.to_be_bytes().to_vec()))
        .order("number DESC, seq DESC", LIMIT_MAX)
}

fn events(connection: &Connection, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let cursor = |text: &String| text.parse().map_err(|_| StoreError::Cursor { found: text.clone() });
    let after = query.after.as_ref().map(cursor).transpose()?;
    let read = |row: &Row<'_>| {
        let seq: i64 = row.get(6).map_err(|error| corrupt("event", &error))?;
        Ok((seq, read_event(row, 0)?))
    };
    let rows = select_events(query, after, limit + 1).all(connection, read)?;
    let Page { rows, next } = page(rows, limit, |(seq, _)| seq.to_string());
    Ok(Page {
        rows: rows.into_iter().map(|(_, event)| event).collect(),
        next,
    })
}

fn deliveries(connection: &Connection, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let seq = match &query.event_id {
        None => None,
        Some(id) => match event_seq(connection, id)? {
            Some(seq) => Some(seq),
            None => {
                return Ok(Page {
                    rows: Vec::new(),
                    next: None,
                });
            }
        },
    };
    let rows = select_deliveries(query, seq, limit + 1).all(connection, read_delivery)?;
    Ok(page(rows, limit, |row| row.id.to_string()))
}

#[async_trait]
impl Log for SqliteStore {
    async fn event(&self, id: &EventId) -> Result<Option<EventRow>, StoreError> {
        let select = select_event(id);
        let query = move |connection: &Connection| Ok(select.all(connection, |row| read_event(row, 0))?.pop());
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
        let query = move |connection: &Connection| {
            let mut newest_first = select_attempts(id).all(connection, read_attempt)?;
            newest_first.reverse();
            Ok(newest_first)
        };
        self.readers.read(query).await
    }
}
