//! Holds every statement that runs often, or over many rows, to the index it says it uses.

use larkspur_store::{AttemptQuery, DeliveryId, DeliveryQuery, DeliveryState, EventQuery, Order, TimeRange};
use larkspur_wire::{AppId, TimestampMs};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::accept::{DELIVERIES_OF, KNOWN, PREDECESSOR};
use crate::fresh::{AFTER_MARK, GATHER, GATHER_ONE, NEWEST};
use crate::ids::{FORGET, ID_OF, IS_ITS_ID, NOT_PRINTED, NUMBERS, PRINTED};
use crate::log::statements::{
    DELETE_ATTEMPTS, DELETE_DELIVERIES, DELETE_EVENT, IS_KEPT, IdSpan, Place, Select, Span, select_all,
    select_attempts, select_deliveries, select_deliveries_end, select_delivery, select_event, select_event_deliveries,
    select_events, select_events_end, select_feed, select_fresh, select_pending, select_pending_count,
    select_trimmable, select_trimmable_end,
};
use crate::queue::{
    BACKLOG, DEAD_COUNT, DUE, FRESH_BACKLOG, FRESH_COUNT, HOLD_SUCCESSORS, LEASE, LEASED, LEASES, LOOK_AT,
    LOOK_AT_BOTH, NEXT_DUE, NEXT_LATER, PENDING_COUNT, RELEASE, RELEASE_ONE, RESEND,
};
use crate::registry::{BINDING, BINDINGS, END_DELIVERY, PENDING_OF_APP};
use crate::settle::{ADD_ATTEMPT, FORGET_ATTEMPT, LINK_ATTEMPT, RELEASE_NEXT, SETTLE, SETTLE_FIRST};
use crate::{Options, open};

/// The `id` of a delivery, which is the key of its table.
const DELIVERY_ID: &str = "PRIMARY KEY (id=?)";
/// The deliveries of an event, by its first and last one.
const OF_EVENT: &str = "PRIMARY KEY (id>? AND id<?)";
/// The `seq` of a table.
const SEQ: &str = "INTEGER PRIMARY KEY";

fn plan(connection: &Connection, Select { sql, values }: Select) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = values.into_iter().chain(std::iter::repeat(Value::Null));
    let values: Vec<_> = values.take(statement.parameter_count()).collect();
    let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
    rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

/// Holds statements to their indexes over the connection that runs them.
fn check_over(over: fn(open::Opened) -> Connection, selects: Vec<(Select, &str)>) {
    let dir = tempfile::tempdir().unwrap();
    let connection = over(open::open(&dir.path().join("larkspur.db"), &Options::default()).unwrap());
    for (select, index) in selects {
        let sql = select.sql.clone();
        let plan = plan(&connection, select);
        assert!(plan.contains(index), "{sql}\nhas the plan {plan}\nwithout {index}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\nsorts: {plan}");
    }
}

/// The same for those that only read.
fn check(selects: Vec<(Select, &str)>) {
    check_over(|mut opened| opened.readers.remove(0), selects);
}

/// A statement whose values do not matter.
fn plain((sql, index): (&str, &'static str)) -> (Select, &'static str) {
    let sql = sql.to_owned();
    let values = Vec::new();
    (Select { sql, values }, index)
}

#[test]
fn the_queue_finds_its_rows_by_index() {
    let statements = [
        (KNOWN, SEQ),
        (NOT_PRINTED, SEQ),
        (NUMBERS, "COVERING INDEX event_by_time"),
        (IS_ITS_ID, SEQ),
        (PRINTED, "PRIMARY KEY (print=?)"),
        (FORGET, "PRIMARY KEY (print=? AND seq=?)"),
        (DELIVERIES_OF, OF_EVENT),
        (GATHER, "PRIMARY KEY (id>?)"),
        (NEWEST, "SCAN delivery"),
        (AFTER_MARK, "COVERING INDEX delivery_by_app"),
        (GATHER_ONE, DELIVERY_ID),
        (LOOK_AT, DELIVERY_ID),
        (LOOK_AT_BOTH, DELIVERY_ID),
        (LOOK_AT_BOTH, SEQ),
        (FRESH_BACKLOG, "PRIMARY KEY (id>?)"),
        (FRESH_COUNT, "PRIMARY KEY (id>?)"),
        (DUE, "COVERING INDEX delivery_due (app_id=? AND due_at<?)"),
        (LEASE, DELIVERY_ID),
        (LEASED, DELIVERY_ID),
        (NEXT_DUE, "COVERING INDEX delivery_due (app_id=?)"),
        (NEXT_LATER, "COVERING INDEX delivery_due (app_id=? AND due_at>?)"),
        (BACKLOG, "COVERING INDEX delivery_due"),
        (
            PREDECESSOR,
            "COVERING INDEX delivery_in_order (app_id=? AND order_key=?)",
        ),
        (
            RELEASE_NEXT,
            "COVERING INDEX delivery_in_order (app_id=? AND order_key=?)",
        ),
        // The plan of an update does not say that the index covers it; `SCAN … USING INDEX` is all there is.
        (RELEASE, "INDEX delivery_due"),
        (LEASES, "COVERING INDEX delivery_due"),
        (RELEASE_ONE, DELIVERY_ID),
        (SETTLE, DELIVERY_ID),
        (SETTLE_FIRST, DELIVERY_ID),
        (LINK_ATTEMPT, DELIVERY_ID),
        (LINK_ATTEMPT, SEQ),
        (FORGET_ATTEMPT, SEQ),
        (ADD_ATTEMPT, DELIVERY_ID),
        (RESEND, DELIVERY_ID),
        (
            RESEND,
            "INDEX delivery_in_order (app_id=? AND order_key=? AND (event_seq,id)<(?,?))",
        ),
        (HOLD_SUCCESSORS, DELIVERY_ID),
        (
            HOLD_SUCCESSORS,
            "INDEX delivery_in_order (app_id=? AND order_key=? AND (event_seq,id)>(?,?))",
        ),
        (PENDING_COUNT, "INDEX delivery_due"),
        (DEAD_COUNT, "INDEX delivery_dead"),
        (PENDING_OF_APP, "COVERING INDEX delivery_due (app_id=?)"),
        (END_DELIVERY, DELIVERY_ID),
        (BINDING, "PRIMARY KEY (kind=? AND id=?)"),
        (BINDINGS, "PRIMARY KEY"),
    ];
    check_over(|opened| opened.writer, statements.map(plain).into());
}

fn accepted() -> TimeRange {
    TimeRange {
        from: Some(TimestampMs(1)),
        to: Some(TimestampMs(9)),
    }
}

#[test]
fn events_are_read_by_index() {
    let of_type = |name: &str| EventQuery {
        event_type: name.parse().ok(),
        ..EventQuery::default()
    };
    let app_id = Some(AppId::mint([1; 8]));
    let place = Place { accepted_at: 7, seq: 7 };
    let span = Span::newest_first(accepted(), Some(place));
    let whole = Span::default();
    // Both bounds cut the index, so that a page costs the same wherever it starts.
    let by_time = "event_by_time (accepted_at>? AND accepted_at<?)";
    let of_app = EventQuery {
        app_id,
        ..EventQuery::default()
    };
    check(vec![
        (select_event(7), SEQ),
        (select_events(&EventQuery::default(), None, whole, 2), "event_by_time"),
        (select_events(&EventQuery::default(), None, span, 2), by_time),
        (select_event_deliveries(7), SEQ),
        (select_events(&EventQuery::default(), Some(7), span, 2), SEQ),
        (select_events_end(span), by_time),
        (select_events(&of_type("app_ticket"), None, span, 2), by_time),
        (select_events(&of_type("hire.*"), None, span, 2), by_time),
        (select_events(&of_app, None, span, 2), by_time),
        (select_events(&of_app, None, span, 2), OF_EVENT),
        (select_trimmable(7, span, 2), by_time),
        (select_trimmable(7, span, 2), OF_EVENT),
        (select_all(span, 2), by_time),
        (select_trimmable_end(span), by_time),
    ]);
}

#[test]
fn deliveries_and_attempts_are_read_by_index() {
    let of = |query: DeliveryQuery| {
        let span = IdSpan::of(&query);
        select_deliveries(&query, None, span, 2)
    };
    let of_app = || DeliveryQuery {
        app_id: Some(AppId::mint([1; 8])),
        ..DeliveryQuery::default()
    };
    let of_time = || DeliveryQuery {
        accepted: accepted(),
        ..DeliveryQuery::default()
    };
    let dead = Some(DeliveryState::Dead);
    let by_id = "PRIMARY KEY (id>? AND id<?)";
    check(vec![
        (select_delivery(DeliveryId(7)), DELIVERY_ID),
        (of(DeliveryQuery::default()), "SCAN d; SEARCH e"),
        (of(of_time()), by_id),
        (
            of(DeliveryQuery {
                event_type: "app_ticket".parse().ok(),
                order: Order::OldestFirst,
                ..of_time()
            }),
            by_id,
        ),
        (select_deliveries_end(&of_time(), IdSpan::of(&of_time())), by_id),
        (of(of_app()), "delivery_by_app (app_id=?)"),
        (
            of(DeliveryQuery {
                after: Some(DeliveryId(7)),
                ..of_app()
            }),
            "delivery_by_app (app_id=? AND id<?)",
        ),
        (
            of(DeliveryQuery {
                state: dead,
                ..of_app()
            }),
            "delivery_by_app (app_id=?)",
        ),
        (
            of(DeliveryQuery {
                state: dead,
                ..of_time()
            }),
            "delivery_dead (id>? AND id<?)",
        ),
        (select_attempts(DeliveryId(7)), DELIVERY_ID),
        (
            select_attempts(DeliveryId(7)),
            "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            select_feed(&AttemptQuery::default(), 7, 9, 2),
            "SEARCH a USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
    ]);
}

/// The few that are pending are sorted, which `check` allows nowhere else.
#[test]
fn pending_deliveries_are_read_by_the_index_of_what_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open::open(&dir.path().join("larkspur.db"), &Options::default()).unwrap();
    for app_id in [None, Some(AppId::mint([1; 8]))] {
        let query = DeliveryQuery {
            app_id,
            ..DeliveryQuery::default()
        };
        for select in [
            select_pending(&query, IdSpan::of(&query), 2),
            select_pending_count(&query),
        ] {
            let plan = plan(&opened.writer, select);
            assert!(plan.contains("INDEX delivery_due"), "{plan}");
        }
        let plan = plan(&opened.writer, select_fresh(&query, IdSpan::of(&query), 2));
        assert!(plan.contains("SEARCH d") && plan.contains("id>?)"), "{plan}");
    }
}

#[test]
fn the_log_is_cut_off_by_index() {
    check(
        [
            (IS_KEPT, OF_EVENT),
            (DELETE_ATTEMPTS, "SEARCH attempt USING INTEGER PRIMARY KEY (rowid=?)"),
            (DELETE_ATTEMPTS, OF_EVENT),
            (DELETE_DELIVERIES, OF_EVENT),
            (DELETE_EVENT, SEQ),
            (ID_OF, SEQ),
        ]
        .map(plain)
        .into(),
    );
}
