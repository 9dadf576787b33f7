//! Claims about the log: what can be found, in which order, and how much at once.

use larkspur_wire::TimestampMs;

use super::fixture::{accept, app_id, deliveries, delivery_id, event, event_id, settle, settlement};
use crate::{DeliveryQuery, DeliveryState, EventQuery, LIMIT_MAX, Mode, Store, StoreError, Verdict};

/// Pages join without a gap.
pub async fn the_log_is_read_newest_first_in_pages(store: &dyn Store) {
    for n in 1..=5 {
        accept(store, vec![event(n, &[1])]).await;
    }
    let mut query = EventQuery {
        limit: 2,
        ..EventQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = store.events(&query).await.expect("reading works");
        assert!(page.rows.len() <= 2);
        seen.extend(page.rows.into_iter().map(|row| row.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(event_id));
}

/// Every filter narrows.
pub async fn events_are_found_by_type_and_tenant(store: &dyn Store) {
    let mut without_tenant = event(2, &[1]);
    without_tenant.tenant_key = None;
    accept(store, vec![event(1, &[1]), without_tenant]).await;
    let ids = async |query: EventQuery| {
        let page = store.events(&EventQuery { limit: 10, ..query }).await;
        let rows = page.expect("reading works").rows;
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let of_type = |name: &str| EventQuery {
        event_type: name.parse().ok(),
        ..EventQuery::default()
    };
    assert_eq!(ids(of_type("im.message.receive_v1")).await, [event_id(2), event_id(1)]);
    assert_eq!(ids(of_type("app_ticket")).await, []);
    let of_tenant = EventQuery {
        tenant_key: event(1, &[]).tenant_key,
        ..EventQuery::default()
    };
    assert_eq!(ids(of_tenant).await, [event_id(1)]);
}

/// No answer grows without bound, and none is empty while there is more.
pub async fn a_page_has_at_least_one_row_and_at_most_the_limit(store: &dyn Store) {
    let n_events = LIMIT_MAX + 1;
    accept(store, (1..=n_events).map(|n| event(n, &[1])).collect()).await;
    for (asked, given) in [(0, 1), (u32::MAX, LIMIT_MAX as usize)] {
        let query = EventQuery {
            limit: asked,
            ..EventQuery::default()
        };
        let events = store.events(&query).await.expect("reading works");
        let query = DeliveryQuery {
            limit: asked,
            ..DeliveryQuery::default()
        };
        let deliveries = store.deliveries(&query).await.expect("reading works");
        assert_eq!((events.rows.len(), deliveries.rows.len()), (given, given));
        assert!(events.next.is_some() && deliveries.next.is_some());
    }
}

/// The mistake of who asks is told from a failure of the store.
pub async fn a_cursor_that_no_page_gave_is_refused(store: &dyn Store) {
    let query = EventQuery {
        after: Some("nonsense".to_owned()),
        limit: 10,
        ..EventQuery::default()
    };
    let refused = store.events(&query).await;
    assert!(matches!(refused, Err(StoreError::Cursor { .. })), "{refused:?}");
}

/// Everything that was seen is there to be shown.
pub async fn attempts_are_kept_in_order_with_all_that_was_seen(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    let id = delivery_id(1, 0);
    let mut first = settlement(id, 1, 1, Verdict::Again(TimestampMs(20)));
    first.attempt.mode = Mode::Websocket;
    (first.attempt.code, first.attempt.target) = (None, String::new());
    let second = settlement(id, 1, 2, Verdict::Delivered);
    store
        .settle(vec![first.clone(), second.clone()])
        .await
        .expect("settling works");
    let attempts = store.attempts(id).await.expect("reading works");
    assert_eq!(attempts, [first.attempt, second.attempt]);
}

/// Every filter narrows.
pub async fn deliveries_are_found_by_event_app_and_state(store: &dyn Store) {
    accept(store, vec![event(1, &[1, 2]), event(2, &[2])]).await;
    settle(store, 2, 1, 1, Verdict::Delivered).await;
    let ids = async |query| {
        let rows = deliveries(store, query).await;
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let (first, second, third) = (delivery_id(1, 0), delivery_id(1, 1), delivery_id(2, 0));
    assert_eq!(ids(DeliveryQuery::default()).await, [third, second, first]);
    let of_event = DeliveryQuery {
        event_id: Some(event_id(1)),
        ..DeliveryQuery::default()
    };
    assert_eq!(ids(of_event).await, [second, first]);
    let of_app = DeliveryQuery {
        app_id: Some(app_id(2)),
        ..DeliveryQuery::default()
    };
    assert_eq!(ids(of_app.clone()).await, [third, second]);
    assert_eq!(
        ids(DeliveryQuery {
            state: Some(DeliveryState::Pending),
            ..of_app.clone()
        })
        .await,
        [second]
    );
    assert_eq!(
        ids(DeliveryQuery {
            after: Some(third),
            ..of_app
        })
        .await,
        [second]
    );
    let nothing = DeliveryQuery {
        event_id: Some(event_id(9)),
        ..DeliveryQuery::default()
    };
    assert_eq!(ids(nothing).await, []);
}
