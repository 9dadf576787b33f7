//! Reading what happened, in pages, and cutting off what is old.
//!
//! Some filters have an index; the others are looked at row by row. A page looks at [`SCAN_MAX`] rows at most and then
//! says where to go on, so that no question takes long, however large the log is.

mod feed;
mod place;
mod retention;
mod select;

use std::sync::Arc;

use async_trait::async_trait;
use larkspur_store::{
    Attempt, AttemptFeed, AttemptQuery, Delivery, DeliveryId, DeliveryQuery, DeliveryState, EventQuery, EventRow,
    LIMIT_MAX, Log, Order, Page, StoreError, Trim, Trimmed,
};
use larkspur_wire::EventId;
use rusqlite::{Connection, Row};

use crate::ids::Ids;
use crate::row::{corrupt, read_attempt, read_delivery, read_delivery_id, read_event};
use crate::{SqliteStore, failed};
use place::{Place, Span};
use select::{
    IdSpan, select_attempts, select_deliveries, select_deliveries_end, select_delivery, select_event,
    select_event_deliveries, select_events, select_events_end, select_fresh, select_pending, select_pending_count,
};

/// One page looks at this many rows; that many take some hundredths of a second.
pub(crate) const SCAN_MAX: u32 = 20_000;

/// So many pending deliveries are sorted for a page; of more, the next ones are not far in any order.
pub(crate) const PENDING_SORTED_MAX: u32 = 5_000;

/// Cuts the one row more than asked for, which tells that there is a next page.
fn page<T>(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String, end: Option<String>) -> Page<T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(cursor) } else { end };
    Page { rows, next }
}

/// The page of a question about an event that is not there.
const fn nothing<T>() -> Page<T> {
    Page {
        rows: Vec::new(),
        next: None,
    }
}

fn events(connection: &Connection, ids: &Ids, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let seq = match &query.event_id {
        None => None,
        Some(id) => match ids.find(connection, id)? {
            None => return Ok(nothing()),
            seq => seq,
        },
    };
    let after = query.after.as_deref().map(Place::parse).transpose()?;
    let mut span = Span::newest_first(query.accepted, after);
    let mut end = None;
    if select::looks_at_every_event(query) {
        let read = |row: &Row<'_>| Place::read(row, 0);
        end = select_events_end(span).all(connection, read)?.pop();
        span.from = end.or(span.from);
    }
    let read = |row: &Row<'_>| Ok((Place::read(row, select::EVENT_PLACE)?, read_event(row, 0)?));
    let rows = select_events(query, seq, span, limit + 1).all(connection, read)?;
    let end = end.map(|place| place.to_string());
    let Page { rows, next } = page(rows, limit, |(place, _)| place.to_string(), end);
    Ok(Page {
        rows: rows.into_iter().map(|(_, event)| event).collect(),
        next,
    })
}

fn deliveries(connection: &Connection, ids: &Ids, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
    let limit = query.limit.clamp(1, LIMIT_MAX);
    let mut span = IdSpan::of(query);
    let mut seq = None;
    if let Some(id) = &query.event_id {
        let Some((event_seq, of_event)) = event_deliveries(connection, ids, id)? else {
            return Ok(nothing());
        };
        seq = Some(event_seq);
        span = span.within(of_event);
    }
    if seq.is_none() && query.state == Some(DeliveryState::Pending) && few_are_pending(connection, query)? {
        let rows = pending(connection, query, span, limit + 1)?;
        return Ok(page(rows, limit, |row| row.id.to_string(), None));
    }
    let mut end = None;
    if select::looks_at_every_delivery(query) {
        let read = |row: &Row<'_>| read_delivery_id(row, 0);
        end = select_deliveries_end(query, span).all(connection, read)?.pop();
        match (query.order, end) {
            (_, None) => {}
            (Order::NewestFirst, Some(last)) => span.from = Some(last),
            (Order::OldestFirst, Some(DeliveryId(last))) => span.before = last.checked_add(1).map(DeliveryId),
        }
    }
    let rows = select_deliveries(query, seq, span, limit + 1).all(connection, read_delivery)?;
    Ok(page(
        rows,
        limit,
        |row| row.id.to_string(),
        end.map(|id| id.to_string()),
    ))
}

/// The number of an event, and where its deliveries are; none when it has none.
fn event_deliveries(connection: &Connection, ids: &Ids, id: &EventId) -> Result<Option<(i64, IdSpan)>, StoreError> {
    let Some(seq) = ids.find(connection, id)? else {
        return Ok(None);
    };
    let read = |row: &Row<'_>| {
        let DeliveryId(last) = read_delivery_id(row, 1)?;
        let span = IdSpan {
            from: Some(read_delivery_id(row, 0)?),
            before: last.checked_add(1).map(DeliveryId),
        };
        Ok((seq, span))
    };
    Ok(select_event_deliveries(seq).all(connection, read)?.pop())
}

/// Pending deliveries in the order asked for, when they are few.
fn pending(
    connection: &Connection,
    query: &DeliveryQuery,
    span: IdSpan,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    // Both as of one moment.
    let moment = connection.unchecked_transaction().map_err(failed("read the log"))?;
    let mut rows = select_pending(query, span, limit).all(&moment, read_delivery)?;
    rows.extend(select_fresh(query, span, limit).all(&moment, read_delivery)?);
    rows.sort_unstable_by_key(|row| row.id);
    if query.order == Order::NewestFirst {
        rows.reverse();
    }
    rows.truncate(limit as usize);
    Ok(rows)
}

fn few_are_pending(connection: &Connection, query: &DeliveryQuery) -> Result<bool, StoreError> {
    let count = select_pending_count(query).all(connection, |row| number(row, 0))?.pop();
    Ok(count.is_some_and(|count| count <= PENDING_SORTED_MAX.into()))
}

/// A cursor that no page gave.
fn no_cursor(found: &str) -> StoreError {
    StoreError::Cursor {
        found: found.to_owned(),
    }
}

/// A number that is in a column.
fn number(row: &Row<'_>, column: usize) -> Result<i64, StoreError> {
    row.get(column).map_err(|error| corrupt("number", &error))
}

#[async_trait]
impl Log for SqliteStore {
    async fn event(&self, id: &EventId) -> Result<Option<EventRow>, StoreError> {
        let (ids, id) = (Arc::clone(&self.ids), id.clone());
        let query = move |connection: &Connection| {
            let Some(seq) = ids.find(connection, &id)? else {
                return Ok(None);
            };
            Ok(select_event(seq).all(connection, |row| read_event(row, 0))?.pop())
        };
        self.readers.read(query).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
        let (ids, query) = (Arc::clone(&self.ids), query.clone());
        self.readers
            .read(move |connection| events(connection, &ids, &query))
            .await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let query = move |connection: &Connection| Ok(select_delivery(id).all(connection, read_delivery)?.pop());
        self.readers.read(query).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
        let (ids, query) = (Arc::clone(&self.ids), query.clone());
        self.readers
            .read(move |connection| deliveries(connection, &ids, &query))
            .await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        let query = move |connection: &Connection| {
            let mut newest_first = select_attempts(id).all(connection, |row| read_attempt(row, 0))?;
            newest_first.reverse();
            Ok(newest_first)
        };
        self.readers.read(query).await
    }

    async fn attempt_feed(&self, query: &AttemptQuery) -> Result<AttemptFeed, StoreError> {
        let query = query.clone();
        self.readers
            .read(move |connection| feed::read(connection, &query))
            .await
    }

    async fn trim(&self, trim: &Trim) -> Result<Trimmed, StoreError> {
        retention::trim(self, trim).await
    }
}

/// What `plans` holds to its index.
#[cfg(test)]
pub(crate) mod statements {
    pub(crate) use super::feed::select_feed;
    pub(crate) use super::place::{Place, Span};
    pub(crate) use super::retention::{
        DELETE_ATTEMPTS, DELETE_DELIVERIES, DELETE_EVENT, IS_KEPT, select_all, select_trimmable, select_trimmable_end,
    };
    pub(crate) use super::select::{
        IdSpan, Select, select_attempts, select_deliveries, select_deliveries_end, select_delivery, select_event,
        select_event_deliveries, select_events, select_events_end, select_fresh, select_pending, select_pending_count,
    };
}
