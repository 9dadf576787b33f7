//! Claims about accepting.

use larkspur_wire::TimestampMs;

use super::fixture::{accept, app_id, both, delivery_id, event, event_id, next_due};
use crate::{Accepted, BindingKey, NewEvent, Store};

/// The same event again answers with the deliveries of the first time.
pub async fn accepting_twice_makes_nothing_new(store: &dyn Store) {
    assert_eq!(accept(store, vec![event(1, &[1, 2])]).await, [Accepted::New]);
    let again = accept(store, vec![event(1, &[1, 2, 3])]).await;
    assert_eq!(
        again,
        [Accepted::Repeated(vec![
            (delivery_id(1, 0), app_id(1)),
            (delivery_id(1, 1), app_id(2))
        ])]
    );
}

/// Also within one batch, and when two producers send it at the same time.
pub async fn an_event_that_comes_twice_at_once_is_stored_once(store: &dyn Store) {
    let twice = accept(store, vec![event(1, &[1]), event(1, &[1])]).await;
    assert_eq!(
        twice,
        [Accepted::New, Accepted::Repeated(vec![(delivery_id(1, 0), app_id(1))])]
    );
    let (a, b) = both(accept(store, vec![event(2, &[1])]), accept(store, vec![event(2, &[1])])).await;
    let new = [&a[0], &b[0]].into_iter().filter(|one| **one == Accepted::New).count();
    assert_eq!(new, 1, "{a:?} {b:?}");
}

/// All of a batch or nothing of it, so that a producer can simply send it again.
pub async fn a_batch_that_cannot_be_stored_leaves_nothing(store: &dyn Store) {
    let bad = || {
        let mut bad = event(2, &[1, 2]);
        bad.deliveries[1].id = bad.deliveries[0].id;
        bad
    };
    let refused = store.accept(vec![event(1, &[1]), bad()]).await;
    assert!(refused.is_err(), "{refused:?}");
    for n in [1, 2] {
        assert_eq!(store.event(&event_id(n)).await.expect("reading works"), None);
    }
    assert_eq!(next_due(store).await, None);
    let (refused, good) = both(store.accept(vec![bad()]), accept(store, vec![event(1, &[1])])).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(good, [Accepted::New]);
}

/// A reused id is refused for itself alone.
pub async fn another_event_under_the_same_id_is_a_conflict_and_fails_no_other(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    let (mut other, mut another) = (event(1, &[1]), event(1, &[1]));
    other.digest = [9; 32];
    another.payload = br#"{"n":9}"#.as_slice().into();
    assert_eq!(
        accept(store, vec![event(2, &[]), other, another, event(3, &[])]).await,
        [Accepted::New, Accepted::Conflict, Accepted::Conflict, Accepted::New]
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

/// An event that would be refused now may have been accepted before.
pub async fn what_became_of_a_known_event_is_told_without_storing_an_unknown_one(store: &dyn Store) {
    let known_only = |n| NewEvent {
        known_only: true,
        ..event(n, &[])
    };
    let mut other = known_only(1);
    other.digest = [9; 32];
    assert_eq!(
        accept(store, vec![event(1, &[1]), known_only(1), other, known_only(2)]).await,
        [
            Accepted::New,
            Accepted::Repeated(vec![(delivery_id(1, 0), app_id(1))]),
            Accepted::Conflict,
            Accepted::Unknown
        ]
    );
    assert_eq!(store.event(&event_id(2)).await.expect("reading works"), None);
    assert_eq!(accept(store, vec![event(2, &[])]).await, [Accepted::New]);
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
