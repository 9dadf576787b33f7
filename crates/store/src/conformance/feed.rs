//! Claims about following attempts as they are written down.

use larkspur_wire::TimestampMs;

use super::fixture::{accept, app_id, delivery_id, event, event_id, settle, settlement};
use crate::{AttemptQuery, DeliveryState, NewEvent, Store, StoreError, Verdict};

/// Who follows sees each attempt once, in the order written, and nothing from before unless asked.
pub async fn attempts_are_followed_from_a_time_or_from_now_on(store: &dyn Store) {
    accept(store, (1..=5).map(|n| event(n, &[1])).collect()).await;
    let feed = async |query: AttemptQuery| {
        let feed = store
            .attempt_feed(&AttemptQuery { limit: 2, ..query })
            .await
            .expect("reading works");
        let events: Vec<_> = feed.rows.iter().map(|row| row.delivery.event_id.clone()).collect();
        (events, feed.next, feed.caught_up)
    };
    let (nothing, from_now, caught_up) = feed(AttemptQuery::default()).await;
    assert_eq!((nothing, caught_up), (Vec::new(), true));
    for n in [3, 1, 2] {
        settle(store, n, 1, 1, Verdict::Again(TimestampMs(900))).await;
    }
    let after = |next: &str| AttemptQuery {
        after: Some(next.to_owned()),
        ..AttemptQuery::default()
    };
    let (first, next, caught_up) = feed(after(&from_now)).await;
    assert_eq!((first, caught_up), ([3, 1].map(event_id).to_vec(), false));
    let (second, next, caught_up) = feed(after(&next)).await;
    assert_eq!((second, caught_up), (vec![event_id(2)], true));
    assert_eq!(feed(after(&next)).await.0, []);
    settle(store, 4, 1, 1, Verdict::Delivered).await;
    assert_eq!(feed(after(&next)).await.0, [event_id(4)]);
    // The attempts of the claims begin at 10.
    let since = |since| AttemptQuery {
        since: Some(TimestampMs(since)),
        ..AttemptQuery::default()
    };
    assert_eq!(feed(since(10)).await.0, [3, 1].map(event_id));
    assert_eq!(feed(since(11)).await.0, []);
    let (dead, _, _) = feed(AttemptQuery {
        state: Some(DeliveryState::Delivered),
        ..since(0)
    })
    .await;
    assert_eq!(dead, [event_id(4)]);
    let wrong = store.attempt_feed(&after("nonsense")).await;
    assert!(matches!(wrong, Err(StoreError::Cursor { .. })), "{wrong:?}");
}

/// An attempt is shown with what it was made for, and every filter narrows.
pub async fn followed_attempts_are_found_by_app_and_type(store: &dyn Store) {
    let talent = NewEvent {
        event_type: "hire.talent.deleted_v1".parse().expect("a valid event type"),
        ..event(1, &[1])
    };
    accept(store, vec![talent, event(2, &[2])]).await;
    settle(store, 1, 1, 1, Verdict::Delivered).await;
    settle(store, 2, 1, 3, Verdict::Dead).await;
    let all = AttemptQuery {
        since: Some(TimestampMs(0)),
        limit: 10,
        ..AttemptQuery::default()
    };
    let rows = async |query: AttemptQuery| store.attempt_feed(&query).await.expect("reading works").rows;
    let both = rows(all.clone()).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].event_type.as_str(), "hire.talent.deleted_v1");
    assert_eq!(
        both[1].attempt,
        settlement(delivery_id(2, 0), 1, 3, Verdict::Dead).attempt
    );
    assert_eq!(
        (both[1].delivery.state, both[1].delivery.attempts),
        (DeliveryState::Dead, 3)
    );
    for (query, delivery) in [
        (
            AttemptQuery {
                app_id: Some(app_id(2)),
                ..all.clone()
            },
            delivery_id(2, 0),
        ),
        (
            AttemptQuery {
                event_type: "hire.*".parse().ok(),
                ..all.clone()
            },
            delivery_id(1, 0),
        ),
        (
            AttemptQuery {
                event_type: "hire.talent.deleted_v1".parse().ok(),
                ..all.clone()
            },
            delivery_id(1, 0),
        ),
    ] {
        let found: Vec<_> = rows(query).await.into_iter().map(|row| row.delivery.id).collect();
        assert_eq!(found, [delivery]);
    }
}
