//! Claims about events, deliveries and the log.

use larkspur_wire::TimestampMs;

use super::fixture::{LEASE_END, accept, app_id, delivery_id, event, event_id, settlement};
use crate::{Accepted, BindingKey, Claim, Delivery, DeliveryQuery, DeliveryState, EventQuery, Store, Verdict};

const LATER: TimestampMs = TimestampMs(1_000_000);

async fn claim(store: &dyn Store, now: TimestampMs, limit: u32) -> Vec<Claim> {
    store.claim(now, LATER, limit).await.expect("claiming works")
}

async fn settle(store: &dyn Store, event: u8, generation: u32, number: u32, verdict: Verdict) {
    let settlements = vec![settlement(delivery_id(event, 0), generation, number, verdict)];
    store.settle(settlements).await.expect("settling works");
}

async fn delivery(store: &dyn Store, event: u8) -> Delivery {
    let query = DeliveryQuery {
        event_id: Some(event_id(event)),
        limit: 10,
        ..DeliveryQuery::default()
    };
    store
        .deliveries(&query)
        .await
        .expect("reading works")
        .rows
        .pop()
        .expect("the event has a delivery")
}

/// The same event again answers with the deliveries of the first time.
pub async fn accepting_twice_makes_nothing_new(store: &dyn Store) {
    assert_eq!(accept(store, vec![event(1, &[1, 2])]).await, [Accepted::New]);
    let again = accept(store, vec![event(1, &[1, 2, 3])]).await;
    assert_eq!(again, [Accepted::Repeated(event(1, &[1, 2]).deliveries)]);
}

/// A reused id is refused for itself alone.
pub async fn another_event_under_the_same_id_is_a_conflict_and_fails_no_other(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    let mut other = event(1, &[1]);
    other.digest = [9; 32];
    assert_eq!(
        accept(store, vec![event(2, &[]), other, event(3, &[])]).await,
        [Accepted::New, Accepted::Conflict, Accepted::New]
    );
    let stored = store
        .event(&event_id(1))
        .await
        .expect("reading works")
        .expect("it is there");
    assert_eq!(
        (&stored.payload[..], stored.create_time),
        (&br#"{"n":1}"#[..], TimestampMs(1))
    );
}

/// Who accepts pushes at once, so nobody else gets it before the lease ends.
pub async fn an_accepted_delivery_is_leased_to_the_one_who_accepted_it(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    assert_eq!(claim(store, TimestampMs(LEASE_END.0 - 1), 10).await, []);
    assert_eq!(store.next_due().await.expect("reading works"), Some(LEASE_END));
    let row = delivery(store, 1).await;
    assert_eq!(
        (row.state, row.generation, row.attempts),
        (DeliveryState::Pending, 1, 0)
    );
}

/// A pusher that died loses its lease.
pub async fn an_expired_lease_is_due_again_under_a_new_generation(store: &dyn Store) {
    accept(store, vec![event(1, &[2])]).await;
    let claims = claim(store, LEASE_END, 10).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].delivery.generation, 2);
    assert_eq!(claims[0].delivery.withheld, ["user.user_id"]);
    assert_eq!(claims[0].event.payload, event(1, &[]).payload);
    assert_eq!(claims[0].event.tenant_key, event(1, &[]).tenant_key);
}

/// Nothing is pushed by two at once.
pub async fn due_deliveries_are_claimed_once_and_the_longest_due_first(store: &dyn Store) {
    for (n, due) in [(1, 300), (2, 100), (3, 200)] {
        accept(store, vec![event(n, &[1])]).await;
        settle(store, n, 1, 1, Verdict::Again(TimestampMs(due))).await;
    }
    let claims = claim(store, TimestampMs(300), 10).await;
    let order: Vec<_> = claims.iter().map(|claim| claim.delivery.id).collect();
    assert_eq!(order, [delivery_id(2, 0), delivery_id(3, 0), delivery_id(1, 0)]);
    assert_eq!(claim(store, TimestampMs(300), 10).await, []);
}

/// Claims are bounded.
pub async fn a_claim_takes_no_more_than_asked_for(store: &dyn Store) {
    accept(store, (1..=5).map(|n| event(n, &[1])).collect()).await;
    assert_eq!(claim(store, LEASE_END, 2).await.len(), 2);
    assert_eq!(claim(store, LEASE_END, 9).await.len(), 3);
}

/// Delivered is for good.
pub async fn a_delivered_delivery_is_never_due_again(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(store.next_due().await.expect("reading works"), None);
    settle(store, 1, 1, 2, Verdict::Again(TimestampMs(1))).await;
    assert_eq!(claim(store, LATER, 10).await, []);
}

/// The ladder is kept on disk.
pub async fn a_delivery_that_goes_again_is_due_at_its_time(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Again(TimestampMs(500))).await;
    assert_eq!(store.next_due().await.expect("reading works"), Some(TimestampMs(500)));
    assert_eq!(claim(store, TimestampMs(499), 10).await, []);
    let claims = claim(store, TimestampMs(500), 10).await;
    assert_eq!((claims[0].delivery.attempts, claims[0].delivery.generation), (1, 2));
}

/// Dead deliveries can be listed.
pub async fn a_dead_delivery_is_found_by_its_state(store: &dyn Store) {
    accept(store, vec![event(1, &[1]), event(2, &[1])]).await;
    settle(store, 1, 1, 5, Verdict::Dead).await;
    let query = DeliveryQuery {
        state: Some(DeliveryState::Dead),
        limit: 10,
        ..DeliveryQuery::default()
    };
    let rows = store.deliveries(&query).await.expect("reading works").rows;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [delivery_id(1, 0)]);
    assert_eq!(rows[0].attempts, 5);
}

/// A pusher that comes back late cannot settle what was given to another.
pub async fn a_settlement_under_an_old_generation_is_logged_and_changes_nothing(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    claim(store, LEASE_END, 10).await;
    settle(store, 1, 1, 1, Verdict::Dead).await;
    let row = delivery(store, 1).await;
    assert_eq!((row.state, row.generation), (DeliveryState::Pending, 2));
    let attempts = store.attempts(row.id).await.expect("reading works");
    assert_eq!(attempts, [settlement(row.id, 1, 1, Verdict::Dead).attempt]);
    settle(store, 1, 2, 2, Verdict::Delivered).await;
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(store.attempts(row.id).await.expect("reading works").len(), 2);
}

/// A node that starts takes over what it had leased before, and no retry comes early.
pub async fn releasing_leases_frees_leased_rows_only(store: &dyn Store) {
    accept(store, vec![event(1, &[1]), event(2, &[1]), event(3, &[1])]).await;
    settle(store, 2, 1, 1, Verdict::Again(TimestampMs(900))).await;
    settle(store, 3, 1, 1, Verdict::Delivered).await;
    assert_eq!(store.release_leases(TimestampMs(5)).await.expect("releasing works"), 1);
    let claims = claim(store, TimestampMs(5), 10).await;
    assert_eq!(
        claims.iter().map(|claim| claim.delivery.id).collect::<Vec<_>>(),
        [delivery_id(1, 0)]
    );
}

/// What an event binds is there when the event is.
pub async fn bindings_of_an_event_are_written_with_it(store: &dyn Store) {
    let key = |id: &str| BindingKey {
        kind: "exam".to_owned(),
        id: id.to_owned(),
    };
    let mut with_binding = event(1, &[1]);
    with_binding.binds = vec![(key("7"), app_id(1))];
    accept(store, vec![with_binding]).await;
    assert_eq!(store.binding(&key("7")).await.expect("reading works"), Some(app_id(1)));
    let mut conflict = event(1, &[1]);
    (conflict.digest, conflict.binds) = ([9; 32], vec![(key("8"), app_id(1))]);
    accept(store, vec![conflict]).await;
    assert_eq!(store.binding(&key("8")).await.expect("reading works"), None);
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
    let other = EventQuery {
        event_type: "app_ticket".parse().ok(),
        limit: 2,
        ..EventQuery::default()
    };
    assert_eq!(store.events(&other).await.expect("reading works").rows, []);
}

/// Every filter narrows.
pub async fn deliveries_are_found_by_event_app_and_state(store: &dyn Store) {
    accept(store, vec![event(1, &[1, 2]), event(2, &[2])]).await;
    settle(store, 2, 1, 1, Verdict::Delivered).await;
    let ids = async |query: DeliveryQuery| {
        let rows = store
            .deliveries(&DeliveryQuery { limit: 10, ..query })
            .await
            .expect("reading works")
            .rows;
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
