//! Claims about leasing and settling.

use larkspur_wire::TimestampMs;

use super::fixture::{
    LATER, LEASE_END, accept, both, claim, claim_for, deliveries, delivery, delivery_id, event, event_in_order,
    next_due, resend, settle, settlement,
};
use crate::{DeliveryQuery, DeliveryState, Depth, Settlement, Store, Verdict};

/// Who accepts pushes at once, so nobody else gets it before the lease ends.
pub async fn an_accepted_delivery_is_leased_to_the_one_who_accepted_it(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    assert_eq!(claim(store, TimestampMs(LEASE_END.0 - 1), 10).await, []);
    assert_eq!(next_due(store).await, Some(LEASE_END));
    let row = delivery(store, 1).await;
    assert_eq!(
        (row.state, row.generation, row.attempts),
        (DeliveryState::Pending, 1, 0)
    );
}

/// A pusher that died loses its lease.
pub async fn an_expired_lease_is_due_again_under_a_new_generation(store: &dyn Store) {
    accept(store, vec![event(1, &[2])]).await;
    let claims = claim_for(store, LEASE_END, &[(2, 10)]).await.remove(0).claims;
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

/// Two who claim at the same time share what is due.
pub async fn two_who_claim_at_once_get_different_deliveries(store: &dyn Store) {
    accept(store, (1..=8).map(|n| event(n, &[1])).collect()).await;
    let (a, b) = both(claim(store, LEASE_END, 4), claim(store, LEASE_END, 4)).await;
    let mut ids: Vec<_> = a.iter().chain(&b).map(|claim| claim.delivery.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=8).map(|n| delivery_id(n, 0)).collect::<Vec<_>>());
}

/// Delivered is for good.
pub async fn a_delivered_delivery_is_never_due_again(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(next_due(store).await, None);
    settle(store, 1, 1, 2, Verdict::Again(TimestampMs(1))).await;
    assert_eq!(claim(store, LATER, 10).await, []);
}

/// The ladder is kept on disk.
pub async fn a_delivery_that_goes_again_is_due_at_its_time(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Again(TimestampMs(500))).await;
    assert_eq!(next_due(store).await, Some(TimestampMs(500)));
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
        ..DeliveryQuery::default()
    };
    let rows = deliveries(store, query).await;
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

/// Who is late, but was not replaced, is believed: the event is not pushed twice for nothing.
pub async fn a_lease_that_ran_out_can_be_settled_until_another_is_given(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    store.release_leases(TimestampMs(5)).await.expect("releasing works");
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(claim(store, LATER, 10).await, []);
}

/// An attempt at nothing is no error: the delivery may have been cleaned up meanwhile.
pub async fn settling_what_does_not_exist_changes_nothing(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    let settlements = vec![
        settlement(delivery_id(9, 0), 1, 1, Verdict::Delivered),
        settlement(delivery_id(1, 0), 1, 1, Verdict::Delivered),
    ];
    store.settle(settlements).await.expect("settling works");
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(store.attempts(delivery_id(9, 0)).await.expect("reading works"), []);
}

/// Whatever became of it, it goes out again, and only the new lease counts.
pub async fn a_resent_delivery_is_due_again_and_its_old_lease_is_void(store: &dyn Store) {
    let verdicts = [Verdict::Dead, Verdict::Delivered, Verdict::Again(TimestampMs(900))];
    for (n, verdict) in (1..).zip(verdicts) {
        accept(store, vec![event(n, &[1])]).await;
        settle(store, n, 1, 5, verdict).await;
        assert_eq!(resend(store, n, TimestampMs(50)).await, 1);
        settle(store, n, 1, 6, Verdict::Delivered).await;
        let claims = claim(store, TimestampMs(50), 10).await;
        let found: Vec<_> = claims
            .iter()
            .map(|claim| (claim.delivery.id, claim.delivery.attempts))
            .collect();
        assert_eq!(found, [(delivery_id(n, 0), 5)]);
        settle(store, n, claims[0].delivery.generation, 6, Verdict::Delivered).await;
        assert_eq!(delivery(store, n).await.state, DeliveryState::Delivered);
    }
}

/// A recovery that comes late pushes nothing that has arrived meanwhile.
pub async fn resending_what_is_undelivered_leaves_alone_what_is_delivered(store: &dyn Store) {
    accept(store, vec![event(1, &[1]), event(2, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    settle(store, 2, 1, 5, Verdict::Dead).await;
    let ids = vec![delivery_id(1, 0), delivery_id(2, 0)];
    let resent = store.resend_undelivered(ids, TimestampMs(50)).await;
    assert_eq!(resent.expect("resending works"), 1);
    assert_eq!(delivery(store, 1).await.state, DeliveryState::Delivered);
    assert_eq!(delivery(store, 2).await.state, DeliveryState::Pending);
}

/// What is being pushed is not pushed beside it.
pub async fn resending_leaves_alone_what_is_leased(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    assert_eq!(resend(store, 1, TimestampMs(50)).await, 0);
    assert_eq!(claim(store, TimestampMs(50), 10).await, []);
    assert_eq!(resend(store, 9, TimestampMs(50)).await, 0);
}

/// Of events that have an order, a recovery pushes the first, and each of the others after the one before it.
pub async fn what_is_resent_keeps_its_order(store: &dyn Store) {
    let settle = async |n: u32, generation: u32, verdict: Verdict| {
        let settlement = Settlement {
            in_order: true,
            ..settlement(delivery_id(n, 0), generation, generation, verdict)
        };
        store.settle(vec![settlement]).await.expect("settling works");
    };
    for n in 1..=3 {
        accept(store, vec![event_in_order(n, "a")]).await;
        claim(store, TimestampMs(50), 10).await;
        settle(n, 1, Verdict::Dead).await;
    }
    // The last first, so that it is held when the others come.
    for n in [3, 1, 2] {
        assert_eq!(resend(store, n, TimestampMs(50)).await, 1);
    }
    for n in 1..=3 {
        let claims = claim(store, TimestampMs(50), 10).await;
        let ids: Vec<_> = claims.iter().map(|claim| claim.delivery.id).collect();
        assert_eq!(ids, [delivery_id(n, 0)]);
        settle(n, claims[0].delivery.generation, Verdict::Delivered).await;
    }
    assert_eq!(claim(store, LATER, 10).await, []);
}

/// What waits and what was given up is counted.
pub async fn the_depth_counts_pending_and_dead_deliveries(store: &dyn Store) {
    let depth = async || store.depth().await.expect("counting works");
    assert_eq!(depth().await, Depth::default());
    accept(store, (1..=4).map(|n| event(n, &[1])).collect()).await;
    settle(store, 1, 1, 1, Verdict::Again(TimestampMs(900))).await;
    settle(store, 2, 1, 1, Verdict::Delivered).await;
    settle(store, 3, 1, 1, Verdict::Dead).await;
    assert_eq!(depth().await, Depth { pending: 2, dead: 1 });
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
