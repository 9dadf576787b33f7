//! Holds every statement that runs often, or over many rows, to the index it says it uses.

use larkspur_store::{DeliveryId, DeliveryQuery, DeliveryState, EventQuery};
use larkspur_wire::{AppId, EventId};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::log::{Select, select_attempts, select_deliveries, select_event, select_events};
use crate::queue::{
    DEAD_COUNT, DELIVERIES_OF, DIGEST, DUE, LEASE, LEASED, NEW_ATTEMPT, NEXT_DUE, PENDING_COUNT, RELEASE, RESEND,
    SETTLE,
};
use crate::registry::{BINDING, BINDINGS, END_APP_DELIVERIES};
use crate::{Options, open};

/// The index that SQLite makes for `UNIQUE` or for a primary key that is text.
const EVENT_ID: &str = "sqlite_autoindex_event_1 (id=?)";
const DELIVERY_ID: &str = "sqlite_autoindex_delivery_1 (id=?)";
/// Also the `seq` of a table.
const SEQ: &str = "INTEGER PRIMARY KEY";

fn plan(connection: &Connection, Select { sql, values }: Select) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = values.into_iter().chain(std::iter::repeat(Value::Null));
    let values: Vec<_> = values.take(statement.parameter_count()).collect();
    let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
    rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

fn check(selects: Vec<(Select, &str)>) {
    let dir = tempfile::tempdir().unwrap();
    let connection = open::open(&dir.path().join("larkspur.db"), &Options::default())
        .unwrap()
        .writer;
    for (select, index) in selects {
        let sql = select.sql.clone();
        let plan = plan(&connection, select);
        assert!(plan.contains(index), "{sql}\nhas the plan {plan}\nwithout {index}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\nsorts: {plan}");
    }
}

#[test]
fn the_queue_finds_its_rows_by_index() {
    let statements = [
        (DIGEST, EVENT_ID),
        (DELIVERIES_OF, "delivery_by_event (event_seq=?)"),
        (DUE, "COVERING INDEX delivery_due (due_at<?)"),
        (LEASE, SEQ),
        (LEASED, SEQ),
        (NEXT_DUE, "COVERING INDEX delivery_due"),
        // The plan of an update does not say that the index covers it; `SCAN … USING INDEX` is all there is.
        (RELEASE, "INDEX delivery_due"),
        (SETTLE, DELIVERY_ID),
        (NEW_ATTEMPT, DELIVERY_ID),
        (RESEND, DELIVERY_ID),
        (PENDING_COUNT, "INDEX delivery_due"),
        (DEAD_COUNT, "INDEX delivery_dead"),
        (END_APP_DELIVERIES, "delivery_by_app (app_id=?)"),
        (BINDING, "PRIMARY KEY (kind=? AND id=?)"),
        (BINDINGS, "PRIMARY KEY"),
    ];
    let select = |(sql, index): (&str, &'static str)| {
        let sql = sql.to_owned();
        let values = Vec::new();
        (Select { sql, values }, index)
    };
    check(statements.into_iter().map(select).collect());
}

#[test]
fn the_log_is_read_by_index() {
    let after = Some(DeliveryId(7));
    let of = |query: DeliveryQuery| select_deliveries(&query, None, 2);
    let of_app = || DeliveryQuery {
        app_id: Some(AppId::mint([1; 8])),
        ..DeliveryQuery::default()
    };
    let dead = Some(DeliveryState::Dead);
    let of_type = EventQuery {
        event_type: "app_ticket".parse().ok(),
        ..EventQuery::default()
    };
    check(vec![
        (select_event(&EventId::mint([1; 16])), EVENT_ID),
        (select_events(&EventQuery::default(), Some(7), 2), SEQ),
        (
            select_events(&of_type, Some(7), 2),
            "event_by_type (event_type=? AND seq<?)",
        ),
        (of(DeliveryQuery::default()), "sqlite_autoindex_delivery_1"),
        (of(of_app()), "delivery_by_app (app_id=?)"),
        (
            of(DeliveryQuery { after, ..of_app() }),
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
                ..DeliveryQuery::default()
            }),
            "delivery_dead",
        ),
        (select_attempts(DeliveryId(7)), "attempt_by_delivery (delivery_seq=?)"),
    ]);
}
