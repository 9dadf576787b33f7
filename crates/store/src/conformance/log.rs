//! Claims about the log: what can be found, in which order, and how much at once.

use larkspur_wire::{EventId, TimestampMs};

use super::fixture::{accept, app_id, deliveries, delivery_id, event, event_id, settle, settlement};
use crate::{
    Delivery, DeliveryId, DeliveryQuery, DeliveryState, EventQuery, LIMIT_MAX, Mode, NewEvent, Order, Store,
    StoreError, TimeRange, Verdict,
};

/// Event `n` of a type.
fn of_type(n: u32, event_type: &str, apps: &[u8]) -> NewEvent {
    NewEvent {
        event_type: event_type.parse().expect("a valid event type"),
        ..event(n, apps)
    }
}

/// All pages of a query for events.
async fn all_events(store: &dyn Store, mut query: EventQuery) -> Vec<EventId> {
    let mut seen = Vec::new();
    query.limit = 2;
    loop {
        let page = store.events(&query).await.expect("reading works");
        seen.extend(page.rows.into_iter().map(|row| row.id));
        query.after = page.next;
        if query.after.is_none() {
            return seen;
        }
    }
}

/// All pages of a query for deliveries.
async fn all_deliveries(store: &dyn Store, mut query: DeliveryQuery) -> Vec<DeliveryId> {
    let mut seen = Vec::new();
    query.limit = 2;
    loop {
        let page = store.deliveries(&query).await.expect("reading works");
        seen.extend(page.rows.into_iter().map(|row| row.id));
        query.after = page.next.map(|next| next.parse().expect("the cursor is an id"));
        if query.after.is_none() {
            return seen;
        }
    }
}

/// What was accepted at 3 or 4: events 2 and 3.
fn accepted_at_3_and_4() -> TimeRange {
    TimeRange {
        from: Some(TimestampMs(3)),
        to: Some(TimestampMs(5)),
    }
}

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

/// Every filter narrows, and they narrow together.
pub async fn events_are_found_by_type_tenant_id_and_time(store: &dyn Store) {
    let mut without_tenant = of_type(2, "hire.offer.status_changed_v1", &[1]);
    without_tenant.tenant_key = None;
    let third = of_type(3, "hire.talent.deleted_v1", &[1]);
    let fourth = of_type(4, "im.message.receive_v1", &[1]);
    accept(store, vec![event(1, &[1]), without_tenant, third, fourth]).await;
    let ids = async |query: EventQuery| all_events(store, query).await;
    let of_types = |glob: &str| EventQuery {
        event_type: glob.parse().ok(),
        ..EventQuery::default()
    };
    let numbers = |numbers: &[u32]| numbers.iter().copied().map(event_id).collect::<Vec<_>>();
    assert_eq!(ids(of_types("im.message.receive_v1")).await, numbers(&[4, 1]));
    assert_eq!(ids(of_types("app_ticket")).await, []);
    assert_eq!(ids(of_types("hire.*")).await, numbers(&[3, 2]));
    assert_eq!(ids(of_types("*.deleted_v1")).await, numbers(&[3]));
    assert_eq!(ids(of_types("*")).await, numbers(&[4, 3, 2, 1]));
    let of_tenant = EventQuery {
        tenant_key: event(1, &[]).tenant_key,
        ..EventQuery::default()
    };
    assert_eq!(ids(of_tenant.clone()).await, numbers(&[4, 3, 1]));
    let of_time = EventQuery {
        accepted: accepted_at_3_and_4(),
        ..EventQuery::default()
    };
    assert_eq!(ids(of_time.clone()).await, numbers(&[3, 2]));
    let together = EventQuery {
        accepted: accepted_at_3_and_4(),
        event_type: "hire.*".parse().ok(),
        ..of_tenant
    };
    assert_eq!(ids(together).await, numbers(&[3]));
    let of_id = EventQuery {
        event_id: Some(event_id(3)),
        ..of_time
    };
    assert_eq!(ids(of_id.clone()).await, numbers(&[3]));
    let of_id_and_another_type = EventQuery {
        event_type: "im.*".parse().ok(),
        ..of_id
    };
    assert_eq!(ids(of_id_and_another_type).await, []);
}

/// Who got it and what became of it are questions about events, too.
pub async fn events_are_found_by_app_and_by_what_became_of_them(store: &dyn Store) {
    accept(
        store,
        vec![event(1, &[1, 2]), event(2, &[2]), event(3, &[1]), event(4, &[])],
    )
    .await;
    settle(store, 1, 1, 1, Verdict::Dead).await;
    settle(store, 2, 1, 1, Verdict::Delivered).await;
    let of = |app: Option<u8>, state| EventQuery {
        app_id: app.map(app_id),
        state,
        ..EventQuery::default()
    };
    let numbers = |numbers: &[u32]| numbers.iter().copied().map(event_id).collect::<Vec<_>>();
    assert_eq!(all_events(store, of(Some(1), None)).await, numbers(&[3, 1]));
    let dead = Some(DeliveryState::Dead);
    assert_eq!(all_events(store, of(None, dead)).await, numbers(&[1]));
    // The dead one was for app 1.
    assert_eq!(all_events(store, of(Some(2), dead)).await, []);
    assert_eq!(
        all_events(store, of(Some(2), Some(DeliveryState::Pending))).await,
        numbers(&[1])
    );
}

/// A clock that was set back makes nothing invisible.
pub async fn events_accepted_by_a_clock_that_was_set_back_are_found_by_their_time(store: &dyn Store) {
    for n in [3, 1, 2, 4] {
        accept(store, vec![event(n, &[1])]).await;
    }
    assert_eq!(
        all_events(store, EventQuery::default()).await,
        [4, 3, 2, 1].map(event_id)
    );
    let of_time = EventQuery {
        accepted: accepted_at_3_and_4(),
        ..EventQuery::default()
    };
    assert_eq!(all_events(store, of_time).await, [3, 2].map(event_id));
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

/// What is asked of the event narrows its deliveries; both directions see the same.
pub async fn deliveries_are_found_by_type_tenant_and_time_in_both_orders(store: &dyn Store) {
    let mut without_tenant = of_type(2, "hire.offer.status_changed_v1", &[1, 2]);
    without_tenant.tenant_key = None;
    let third = of_type(3, "hire.talent.deleted_v1", &[1]);
    accept(store, vec![event(1, &[1]), without_tenant, third, event(4, &[1])]).await;
    settle(store, 4, 1, 1, Verdict::Dead).await;
    settle(store, 3, 1, 1, Verdict::Dead).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    let check = async |query: DeliveryQuery, mut expected: Vec<DeliveryId>| {
        assert_eq!(all_deliveries(store, query.clone()).await, expected, "{query:?}");
        expected.reverse();
        let oldest_first = DeliveryQuery {
            order: Order::OldestFirst,
            ..query
        };
        assert_eq!(
            all_deliveries(store, oldest_first.clone()).await,
            expected,
            "{oldest_first:?}"
        );
    };
    let [first, second, second_2, third, fourth] =
        [(1, 0), (2, 0), (2, 1), (3, 0), (4, 0)].map(|(n, idx)| delivery_id(n, idx));
    check(DeliveryQuery::default(), vec![fourth, third, second_2, second, first]).await;
    let of_types = |glob: &str| DeliveryQuery {
        event_type: glob.parse().ok(),
        ..DeliveryQuery::default()
    };
    check(of_types("hire.*"), vec![third, second_2, second]).await;
    check(of_types("im.message.receive_v1"), vec![fourth, first]).await;
    let of_tenant = DeliveryQuery {
        tenant_key: event(1, &[]).tenant_key,
        ..DeliveryQuery::default()
    };
    check(of_tenant.clone(), vec![fourth, third, first]).await;
    let of_time = DeliveryQuery {
        accepted: accepted_at_3_and_4(),
        ..DeliveryQuery::default()
    };
    check(of_time.clone(), vec![third, second_2, second]).await;
    let dead = DeliveryQuery {
        state: Some(DeliveryState::Dead),
        ..of_time.clone()
    };
    check(dead, vec![third]).await;
    let undelivered = DeliveryQuery {
        undelivered: true,
        ..DeliveryQuery::default()
    };
    check(undelivered, vec![fourth, third, second_2, second]).await;
    let pending = DeliveryQuery {
        state: Some(DeliveryState::Pending),
        app_id: Some(app_id(1)),
        ..of_time
    };
    check(pending, vec![second]).await;
}

/// One delivery is found by its id alone.
pub async fn a_delivery_is_found_by_its_id(store: &dyn Store) {
    accept(store, vec![event(1, &[1, 2])]).await;
    let found = async |id| -> Option<Delivery> { store.delivery(id).await.expect("reading works") };
    let second = found(delivery_id(1, 1)).await.expect("it is there");
    assert_eq!((second.id, second.app_id), (delivery_id(1, 1), app_id(2)));
    assert_eq!(found(delivery_id(1, 2)).await, None);
}
