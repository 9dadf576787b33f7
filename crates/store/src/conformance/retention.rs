//! Claims about what leaves the log, and what does not.

use larkspur_wire::TimestampMs;

use super::fixture::{accept, deliveries, delivery_id, event, event_id, settle};
use crate::{Accepted, DeliveryQuery, Store, Trim, Trimmed, Verdict};

/// Everything accepted before this time may go.
fn older_than(before: i64) -> Trim {
    Trim {
        before: TimestampMs(before),
        bytes_max: None,
        after: None,
        rows_max: 1_000,
    }
}

async fn trim(store: &dyn Store, trim: Trim) -> Trimmed {
    store.trim(&trim).await.expect("trimming works")
}

/// The numbers of the events among 1 to 9 that are there.
async fn left(store: &dyn Store) -> Vec<u32> {
    let mut left = Vec::new();
    for n in 1..=9 {
        let found = store.event(&event_id(n)).await.expect("reading works");
        left.extend(found.map(|_| n));
    }
    left
}

/// An event goes with all that belongs to it, and the ones after it stay. Event `n` is accepted at `n + 1`.
pub async fn what_is_old_and_settled_goes_with_deliveries_and_attempts(store: &dyn Store) {
    accept(store, vec![event(1, &[1]), event(2, &[]), event(3, &[1])]).await;
    for n in [1, 3] {
        settle(store, n, 1, 1, Verdict::Delivered).await;
    }
    let trimmed = trim(store, older_than(4)).await;
    // Two events, a delivery, an attempt.
    assert_eq!((trimmed.events, trimmed.rows, trimmed.next), (2, 4, None));
    assert_eq!(left(store).await, [3]);
    let rows = deliveries(store, DeliveryQuery::default()).await;
    assert_eq!(
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>(),
        [delivery_id(3, 0)]
    );
    assert_eq!(store.attempts(delivery_id(1, 0)).await.expect("reading works"), []);
}

/// What has still to be pushed is kept for as long as that takes.
pub async fn what_is_pending_never_goes(store: &dyn Store) {
    accept(store, vec![event(1, &[1, 2]), event(2, &[1]), event(3, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    settle(store, 2, 1, 1, Verdict::Again(TimestampMs(900))).await;
    settle(store, 3, 1, 1, Verdict::Delivered).await;
    let all = Trim {
        bytes_max: Some(0),
        ..older_than(1_000)
    };
    assert_eq!(trim(store, all).await.events, 1);
    assert_eq!(left(store).await, [1, 2]);
}

/// Who repairs a receiver finds what was given up meanwhile, however much came since.
pub async fn what_is_dead_goes_by_age_and_never_by_size(store: &dyn Store) {
    accept(store, vec![event(1, &[1]), event(2, &[1]), event(3, &[1])]).await;
    settle(store, 1, 1, 5, Verdict::Dead).await;
    settle(store, 2, 1, 5, Verdict::Dead).await;
    settle(store, 3, 1, 1, Verdict::Delivered).await;
    let too_large = Trim {
        bytes_max: Some(0),
        ..older_than(0)
    };
    assert_eq!(trim(store, too_large).await.events, 1);
    assert_eq!(left(store).await, [1, 2]);
    assert_eq!(trim(store, older_than(3)).await.events, 1);
    assert_eq!(left(store).await, [2]);
}

/// The size is a bound, not an aim.
pub async fn what_fits_stays_whatever_the_size(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    let roomy = Trim {
        bytes_max: Some(1 << 40),
        ..older_than(0)
    };
    assert_eq!(trim(store, roomy).await, Trimmed::default());
    assert_eq!(left(store).await, [1]);
}

/// Steps are small, begin with the oldest, and come to an end.
pub async fn a_step_deletes_a_bounded_number_of_rows_and_says_where_to_go_on(store: &dyn Store) {
    accept(store, (1..=6).map(|n| event(n, &[1])).collect()).await;
    for n in [1, 2, 4, 5, 6] {
        settle(store, n, 1, 1, Verdict::Delivered).await;
    }
    let mut step = Trim {
        // An event has three rows here.
        rows_max: 4,
        ..older_than(7)
    };
    let mut events = Vec::new();
    loop {
        let trimmed = trim(store, step.clone()).await;
        events.push(trimmed.events);
        step.after = trimmed.next;
        if step.after.is_none() {
            break;
        }
    }
    assert_eq!(events.iter().sum::<u64>(), 4, "{events:?}");
    assert!(events.iter().all(|events| *events <= 2), "{events:?}");
    assert_eq!(left(store).await, [3, 6]);
}

/// An event that left the log is not remembered.
pub async fn the_id_of_an_event_that_is_gone_can_be_used_again(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    trim(store, older_than(10)).await;
    assert_eq!(accept(store, vec![event(1, &[1])]).await, [Accepted::New]);
}
