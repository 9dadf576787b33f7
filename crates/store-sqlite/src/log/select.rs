//! The questions to the log as statements, put together from the conditions that were asked for.

use larkspur_store::{DeliveryId, DeliveryQuery, DeliveryState, EventGlob, EventQuery, LIMIT_MAX, Order, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::place::{Place, Span};
use super::{PENDING_SORTED_MAX, SCAN_MAX};
use crate::registry::all;
use crate::row::{ATTEMPT_COLUMNS, DELIVERED, DELIVERY_COLUMNS, EVENT_COLUMNS, EVENT_COLUMNS_LEN, state_number};

/// A query put together from conditions.
pub(crate) struct Select {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Select {
    pub(super) fn from(columns: &str, from: &str) -> Self {
        Self {
            sql: format!("SELECT {columns} FROM {from} WHERE TRUE"),
            values: Vec::new(),
        }
    }

    pub(super) fn and(mut self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
        self
    }

    /// A condition on a place: `… (?, ?)`.
    pub(super) fn and_place(mut self, condition: &str, place: Option<Place>) -> Self {
        if let Some(Place { accepted_at, seq }) = place {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.extend([Value::from(accepted_at), Value::from(seq)]);
        }
        self
    }

    /// Whether a delivery of the event has both, as far as they are asked for.
    fn and_has_delivery(mut self, app_id: Option<String>, state: Option<i64>) -> Self {
        if app_id.is_none() && state.is_none() {
            return self;
        }
        self.sql.push_str(
            " AND EXISTS (SELECT 1 FROM delivery AS d \
                 WHERE d.id BETWEEN e.first_delivery AND e.last_delivery AND +d.event_seq = e.seq",
        );
        // Not by the index that SQLite would take for an app: an event has fewer deliveries.
        self = self.and("+d.app_id = ?", app_id).and("d.state = ?", state);
        self.sql.push(')');
        self
    }

    /// A condition without a value, written out so that SQLite knows what its index is about.
    fn and_is(mut self, condition: &str) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self
    }

    pub(super) fn order(mut self, order: &str, limit: u32) -> Self {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        self.values.push(limit.into());
        self
    }

    /// The last of the rows that a page looks at; none when there are fewer.
    pub(super) fn last_of(mut self, rows: u32) -> Self {
        self.sql.push_str(" OFFSET ?");
        self.values.push((rows - 1).into());
        self
    }

    pub(super) fn all<T>(
        self,
        connection: &Connection,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let values = params_from_iter(self.values);
        all(connection, "read the log", &self.sql, values, read)
    }
}

/// The name of the one type that was asked for.
pub(super) fn exact(glob: Option<&EventGlob>) -> Option<String> {
    glob.filter(|glob| glob.is_exact()).map(ToString::to_string)
}

/// A pattern that fits some types and not others. What a pattern may have besides letters means the same to SQLite.
pub(super) fn pattern(glob: Option<&EventGlob>) -> Option<String> {
    glob.filter(|glob| !glob.is_exact() && !glob.is_all())
        .map(ToString::to_string)
}

/// By the primary key.
pub(crate) fn select_event(seq: i64) -> Select {
    Select::from(EVENT_COLUMNS, "event AS e").and("e.seq = ?", Some(seq))
}

/// Where the deliveries of an event are, if it has any. By the primary key.
pub(crate) fn select_event_deliveries(seq: i64) -> Select {
    Select::from("e.first_delivery, e.last_delivery", "event AS e")
        .and("e.seq = ?", Some(seq))
        .and_is("e.first_delivery IS NOT NULL")
}

/// Whether what was asked for has no index, so that events are looked at one by one.
pub(super) fn looks_at_every_event(query: &EventQuery) -> bool {
    let EventQuery {
        event_id,
        event_type,
        tenant_key,
        app_id,
        state,
        ..
    } = query;
    let by_type = event_type.as_ref().is_some_and(|glob| !glob.is_all());
    let filtered = by_type || tenant_key.is_some() || app_id.is_some() || state.is_some();
    event_id.is_none() && filtered
}

fn events_within(select: Select, span: Span) -> Select {
    select
        .and_place("(e.accepted_at, e.seq) >= (?, ?)", span.from)
        .and_place("(e.accepted_at, e.seq) < (?, ?)", span.before)
}

const NEWEST_EVENT_FIRST: &str = "e.accepted_at DESC, e.seq DESC";

/// Where the place is among the columns of [`select_events`].
pub(super) const EVENT_PLACE: usize = EVENT_COLUMNS_LEN;

/// By `event_by_time`, which has the columns of most filters, or the primary key when one event is asked for.
pub(crate) fn select_events(query: &EventQuery, seq: Option<i64>, span: Span, limit: u32) -> Select {
    let columns = format!("{EVENT_COLUMNS}, e.accepted_at, e.seq");
    let app_id = query.app_id.as_ref().map(ToString::to_string);
    events_within(Select::from(&columns, "event AS e"), span)
        .and("e.seq = ?", seq)
        .and("e.event_type = ?", exact(query.event_type.as_ref()))
        .and("e.event_type GLOB ?", pattern(query.event_type.as_ref()))
        .and("e.tenant_key = ?", query.tenant_key.as_ref().map(ToString::to_string))
        .and_has_delivery(app_id, query.state.map(state_number))
        .order(NEWEST_EVENT_FIRST, limit)
}

/// Where a page that looks at every event ends. By `event_by_time` alone.
pub(crate) fn select_events_end(span: Span) -> Select {
    events_within(Select::from("e.accepted_at, e.seq", "event AS e"), span)
        .order(NEWEST_EVENT_FIRST, 1)
        .last_of(SCAN_MAX)
}

/// Deliveries from an id on and before another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdSpan {
    pub(crate) from: Option<DeliveryId>,
    pub(crate) before: Option<DeliveryId>,
}

impl IdSpan {
    /// What a query asks for.
    pub(crate) fn of(query: &DeliveryQuery) -> Self {
        let from = query.accepted.from.map(DeliveryId::first_at);
        let before = query.accepted.to.map(DeliveryId::first_at);
        // One bound at each end for the index to use.
        match query.order {
            Order::NewestFirst => Self {
                from,
                before: before.into_iter().chain(query.after).min(),
            },
            Order::OldestFirst => {
                let next = query.after.map(|DeliveryId(id)| DeliveryId(id.saturating_add(1)));
                Self {
                    from: from.into_iter().chain(next).max(),
                    before,
                }
            }
        }
    }
}

impl IdSpan {
    /// What is in both.
    pub(crate) fn within(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            before: self.before.into_iter().chain(other.before).min(),
        }
    }
}

/// Whether what was asked for has no index, so that deliveries are looked at one by one.
pub(super) fn looks_at_every_delivery(query: &DeliveryQuery) -> bool {
    let DeliveryQuery {
        event_id,
        event_type,
        tenant_key,
        state,
        undelivered,
        ..
    } = query;
    let by_type = event_type.as_ref().is_some_and(|glob| !glob.is_all());
    let by_state = match state {
        Some(DeliveryState::Dead) => false,
        Some(_) => true,
        None => *undelivered,
    };
    event_id.is_none() && (by_type || by_state || tenant_key.is_some())
}

fn deliveries_within(select: Select, query: &DeliveryQuery, span: IdSpan) -> Select {
    let bytes = |id: DeliveryId| id.0.to_be_bytes().to_vec();
    select
        .and("d.app_id = ?", query.app_id.as_ref().map(ToString::to_string))
        .and("d.id >= ?", span.from.map(bytes))
        .and("d.id < ?", span.before.map(bytes))
}

fn by_id(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "d.id DESC",
        Order::OldestFirst => "d.id",
    }
}

/// What is asked of the event.
fn of_event(select: Select, query: &DeliveryQuery) -> Select {
    select
        .and("e.event_type = ?", exact(query.event_type.as_ref()))
        .and("e.event_type GLOB ?", pattern(query.event_type.as_ref()))
        .and("e.tenant_key = ?", query.tenant_key.as_ref().map(ToString::to_string))
}

/// By the primary key, `delivery_by_app` or `delivery_dead`.
pub(crate) fn select_deliveries(query: &DeliveryQuery, event_seq: Option<i64>, span: IdSpan, limit: u32) -> Select {
    // A cross join is one whose order SQLite does not change: never from all events of a type to their deliveries.
    let from = "delivery AS d CROSS JOIN event AS e ON e.seq = d.event_seq";
    let select = deliveries_within(Select::from(DELIVERY_COLUMNS, from), query, span)
        .and("d.event_seq = ?", event_seq)
        .and("d.state = ?", query.state.map(state_number))
        .and("d.state <> ?", query.undelivered.then_some(DELIVERED));
    of_event(select, query).order(by_id(query.order), limit)
}

/// What the index of what is due has, and what it has not.
const INDEXED: &str = "d.state = 0 AND d.leased < 2";
const FRESH: &str = "d.state = 0 AND d.leased = 2 AND d.id > (SELECT after FROM fresh)";

/// Pending deliveries, few enough to be sorted. By `delivery_due`, which has nothing else.
pub(crate) fn select_pending(query: &DeliveryQuery, span: IdSpan, limit: u32) -> Select {
    let from = "delivery AS d INDEXED BY delivery_due CROSS JOIN event AS e ON e.seq = d.event_seq";
    let select = Select::from(DELIVERY_COLUMNS, from).and_is(INDEXED);
    of_event(deliveries_within(select, query, span), query).order(by_id(query.order), limit)
}

/// Those that are leased since they were accepted, a moment ago. By the primary key or `delivery_by_app`.
pub(crate) fn select_fresh(query: &DeliveryQuery, span: IdSpan, limit: u32) -> Select {
    let from = "delivery AS d CROSS JOIN event AS e ON e.seq = d.event_seq";
    let select = Select::from(DELIVERY_COLUMNS, from).and_is(FRESH);
    of_event(deliveries_within(select, query, span), query).order(by_id(query.order), limit)
}

/// How many are pending; not counted beyond the bound.
pub(crate) fn select_pending_count(query: &DeliveryQuery) -> Select {
    let mut select = Select::from("1", "delivery AS d INDEXED BY delivery_due")
        .and_is(INDEXED)
        .and("d.app_id = ?", query.app_id.as_ref().map(ToString::to_string));
    select.sql = format!("SELECT count(*) FROM ({} LIMIT ?)", select.sql);
    select.values.push((PENDING_SORTED_MAX + 1).into());
    select
}

/// Where a page that looks at every delivery ends.
pub(crate) fn select_deliveries_end(query: &DeliveryQuery, span: IdSpan) -> Select {
    // Of the states only this one has an index; the others are looked at.
    let dead = query.state.filter(|state| *state == DeliveryState::Dead);
    deliveries_within(Select::from("d.id", "delivery AS d"), query, span)
        .and("d.state = ?", dead.map(state_number))
        .order(by_id(query.order), 1)
        .last_of(SCAN_MAX)
}

/// By the primary key.
pub(crate) fn select_delivery(id: DeliveryId) -> Select {
    Select::from(
        DELIVERY_COLUMNS,
        "delivery AS d CROSS JOIN event AS e ON e.seq = d.event_seq",
    )
    .and("d.id = ?", Some(id.0.to_be_bytes().to_vec()))
    .order("d.id", 1)
}

/// By the primary keys of both: from the last attempt on, each names the one before it.
pub(crate) fn select_attempts(id: DeliveryId) -> Select {
    let chain = format!(
        "WITH RECURSIVE attempt_of(seq, previous) AS (\
         SELECT a.seq, a.previous FROM delivery AS d JOIN attempt AS a ON a.seq = d.last_attempt WHERE d.id = ? \
         UNION ALL SELECT a.seq, a.previous FROM attempt_of AS newer JOIN attempt AS a ON a.seq = newer.previous) \
         SELECT {ATTEMPT_COLUMNS} FROM attempt_of AS one CROSS JOIN attempt AS a ON a.seq = one.seq LIMIT ?"
    );
    Select {
        sql: chain,
        values: vec![id.0.to_be_bytes().to_vec().into(), LIMIT_MAX.into()],
    }
}
