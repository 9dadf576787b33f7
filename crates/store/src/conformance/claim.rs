//! Claims about claiming: app by app, in order, within bounds.

use larkspur_wire::TimestampMs;

use super::fixture::{
    LATER, LEASE_END, accept, app_id, claim, claim_for, delivery_id, event, event_in_order, next_due, resend, settle,
    settlement,
};
use crate::{Backlog, CLAIM_BYTES_MAX, LIMIT_MAX, NewEvent, Settlement, Start, Store, Verdict};

/// One app's backlog never stands in the way of another's.
pub async fn each_app_is_claimed_for_by_itself(store: &dyn Store) {
    let events = (1..=6).map(|n| event(n, if n <= 4 { &[1] } else { &[2] })).collect();
    accept(store, events).await;
    let claimed = claim_for(store, LEASE_END, &[(2, 1), (3, 5), (1, 3)]).await;
    let found: Vec<_> = claimed
        .iter()
        .map(|one| (one.app_id.clone(), one.claims.len(), one.next_due))
        .collect();
    assert_eq!(
        found,
        [
            (app_id(2), 1, Some(LEASE_END)),
            (app_id(3), 0, None),
            (app_id(1), 3, Some(LEASE_END))
        ]
    );
}

/// What the one who accepts has no room for is due at once, and nobody's.
pub async fn a_delivery_that_starts_due_is_claimed_at_once(store: &dyn Store) {
    let mut new = event(1, &[1]);
    new.deliveries[0].start = Start::Due;
    accept(store, vec![new]).await;
    assert_eq!(claim(store, TimestampMs(1), 10).await, []);
    assert_eq!(claim(store, TimestampMs(2), 10).await[0].delivery.generation, 1);
}

/// Deliveries in order wait for their predecessor, whatever becomes of it, and for no other key or app.
pub async fn deliveries_in_order_go_one_after_the_other(store: &dyn Store) {
    let events = [(1, "a"), (2, "a"), (3, "b"), (4, "a")];
    accept(store, events.map(|(n, key)| event_in_order(n, key)).into()).await;
    for (n, verdict) in [(1, Verdict::Dead), (2, Verdict::Delivered), (4, Verdict::Delivered)] {
        let claims = claim(store, TimestampMs(900), 10).await;
        let due: Vec<_> = claims.iter().map(|claim| claim.delivery.id).collect();
        let expected = if n == 1 {
            vec![delivery_id(1, 0), delivery_id(3, 0)]
        } else {
            vec![delivery_id(n, 0)]
        };
        assert_eq!(due, expected);
        assert!(claims[0].delivery.in_order);
        // A retry keeps its place.
        let again = Settlement {
            in_order: true,
            ..settlement(delivery_id(n, 0), 1, 1, Verdict::Again(TimestampMs(800)))
        };
        store.settle(vec![again]).await.expect("settling works");
        assert_eq!(
            claim(store, TimestampMs(800), 10).await[0].delivery.id,
            delivery_id(n, 0)
        );
        let done = Settlement {
            in_order: true,
            ..settlement(delivery_id(n, 0), 2, 2, verdict)
        };
        store.settle(vec![done]).await.expect("settling works");
    }
}

/// A delivery that waits for another is not due, and resending does not make it overtake.
pub async fn a_delivery_that_waits_has_no_due_time(store: &dyn Store) {
    accept(store, vec![event_in_order(1, "a"), event_in_order(2, "a")]).await;
    claim(store, TimestampMs(900), 1).await;
    assert_eq!(resend(store, 2, TimestampMs(5)).await, 0);
    assert_eq!(claim(store, TimestampMs(900), 10).await, []);
    assert_eq!(next_due(store).await, Some(LATER));
}

/// What waits is known app by app.
pub async fn the_backlog_is_known_app_by_app(store: &dyn Store) {
    accept(store, vec![event(1, &[1, 2]), event(2, &[1]), event(3, &[3])]).await;
    settle(store, 1, 1, 1, Verdict::Again(TimestampMs(70))).await;
    settle(store, 3, 1, 1, Verdict::Delivered).await;
    let of = |app, pending, due| Backlog {
        app_id: app_id(app),
        pending,
        next_due: Some(due),
    };
    let backlog = store.backlog().await.expect("reading works");
    assert_eq!(backlog, [of(1, 2, TimestampMs(70)), of(2, 1, LEASE_END)]);
}

/// Claims are bounded, whatever is asked for.
pub async fn a_claim_takes_no_more_than_asked_for(store: &dyn Store) {
    let n_events = LIMIT_MAX + 3;
    let events: Vec<NewEvent> = (1..=n_events).map(|n| event(n, &[1])).collect();
    accept(store, events).await;
    assert_eq!(claim(store, LEASE_END, 0).await, []);
    assert_eq!(claim(store, LEASE_END, 2).await.len(), 2);
    assert_eq!(claim(store, LEASE_END, u32::MAX).await.len(), LIMIT_MAX as usize);
    assert_eq!(claim(store, LEASE_END, 9).await.len(), 1);
}

/// And in bytes: what was not leased is claimed the next time.
pub async fn a_claim_takes_no_more_than_memory_allows(store: &dyn Store) {
    let large = |n| {
        let mut large = event(n, &[1]);
        large.payload = vec![b' '; CLAIM_BYTES_MAX / 2].into();
        large
    };
    for n in 1..=3 {
        accept(store, vec![large(n)]).await;
    }
    assert_eq!(claim(store, LEASE_END, 10).await.len(), 2);
    assert_eq!(claim(store, LEASE_END, 10).await.len(), 1);
}

/// Nobody overtakes within one moment.
pub async fn deliveries_due_at_once_go_in_the_order_they_were_accepted(store: &dyn Store) {
    for n in [3, 1, 2] {
        accept(store, vec![event(n, &[1])]).await;
    }
    store.release_leases(TimestampMs(5)).await.expect("releasing works");
    let claims = claim(store, TimestampMs(5), 10).await;
    let order: Vec<_> = claims.iter().map(|claim| claim.delivery.id).collect();
    assert_eq!(order, [3, 1, 2].map(|n| delivery_id(n, 0)));
}
