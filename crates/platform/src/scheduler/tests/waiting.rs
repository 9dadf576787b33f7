//! When a producer waits for room, and until when.

use super::*;

#[test]
fn room_comes_soon_where_an_app_takes_what_it_gets() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(0, 0));
    while publish(&mut scheduler, &to, 0, at).is_ok() {}
    assert_eq!(scheduler.reserve(&to, at), Place::Soon);
    let mut n_ended = 0;
    while !scheduler.eases() {
        scheduler.ended(&to, 1, TAKEN, at);
        n_ended += 1;
    }
    assert_eq!(n_ended, (QUEUE_MAX + LIMITS.in_flight) / 4);
    assert_eq!(scheduler.reserve(&to, at), Place::Reserved);
    assert!(!scheduler.eases());
}

/// An app whose lane is full and that has taken so many just now.
fn full(scheduler: &mut Scheduler<u32>, to: &AppId, n_taken: usize, at: Now) {
    while publish(scheduler, to, 0, at).is_ok() {}
    for _ in 0..n_taken {
        scheduler.ended(to, 1, TAKEN, at);
        publish(scheduler, to, 0, at).unwrap();
    }
}

#[test]
fn little_is_added_to_the_backlog_of_an_app_that_takes_it_fast() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    full(&mut scheduler, &to, 256, at);
    scheduler.due(&to, AT, at);
    assert_eq!(scheduler.reserve(&to, at), Place::Soon);
    scheduler.waited_in_vain(&to, at);
    assert_eq!(scheduler.reserve(&to, at), Place::Soon, "the next one waits, too");
    for _ in 0..QUEUE_MAX / 2 {
        scheduler.ended(&to, 1, TAKEN, at);
    }
    assert!(!scheduler.eases(), "it has room, but what is due comes first");
    let (_, wanted) = scheduler.claims(at)[0];
    assert_eq!(scheduler.reserve(&to, at), Place::Soon);
    scheduler.claimed(&to, wanted, vec![(7, 1)], None, at);
    assert!(scheduler.eases());
    assert_eq!(scheduler.reserve(&to, at), Place::Reserved);
}

#[test]
fn nobody_waits_for_an_old_backlog_nor_for_that_of_an_app_that_takes_few() {
    for (n_taken, at, expected) in [
        (256, AT.0 + 10_000, Place::Soon),
        (256, AT.0 + 10_001, Place::OnDisk),
        (255, AT.0, Place::OnDisk),
    ] {
        let (mut scheduler, to) = (scheduler(), app(1));
        full(&mut scheduler, &to, n_taken, now(AT.0, 0));
        scheduler.due(&to, AT, now(AT.0, 0));
        assert_eq!(scheduler.reserve(&to, now(at, 0)), expected);
    }
}

#[test]
fn an_app_that_was_slow_is_waited_for_again_once_it_takes_what_it_gets_fast() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(0, 9_000));
    full(&mut scheduler, &to, 0, at);
    scheduler.waited_in_vain(&to, at);
    full(&mut scheduler, &to, 256, at);
    assert_eq!(scheduler.reserve(&to, at), Place::OnDisk, "that took it nine seconds");
    full(&mut scheduler, &to, 256, at);
    assert_eq!(scheduler.reserve(&to, at), Place::Soon);
}

#[test]
fn nobody_waits_for_an_app_that_fails_or_that_is_slow() {
    let (mut scheduler, at) = (scheduler(), now(0, 9_000));
    for to in [app(1), app(2)] {
        while publish(&mut scheduler, &to, 0, at).is_ok() {}
    }
    scheduler.ended(&app(1), 1, Ending::Refused, at);
    publish(&mut scheduler, &app(1), 0, at).unwrap();
    assert_eq!(scheduler.reserve(&app(1), at), Place::OnDisk);
    scheduler.waited_in_vain(&app(2), at);
    assert_eq!(scheduler.reserve(&app(2), at), Place::OnDisk);
    for _ in 0..QUEUE_MAX / 2 {
        scheduler.ended(&app(2), 1, TAKEN, at);
    }
    while publish(&mut scheduler, &app(2), 0, at).is_ok() {}
    assert_eq!(scheduler.reserve(&app(2), at), Place::OnDisk);
}

/// Many apps that take what they get and whose deliveries fill memory, each with more than it may be pushed at once.
fn crowd(scheduler: &mut Scheduler<u32>, at: Now) -> Vec<AppId> {
    let apps: Vec<_> = (0..100).map(app).collect();
    for n in 0..=HELD_MAX / apps.len() {
        for to in &apps {
            if publish(scheduler, to, u32::try_from(n).unwrap(), at).is_err() {
                assert_eq!(scheduler.memory.held, HELD_MAX);
            }
        }
    }
    apps
}

#[test]
fn producers_wait_for_room_in_memory_while_all_apps_together_take_much() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, at);
    assert_eq!(
        scheduler.reserve(&apps[0], at),
        Place::OnDisk,
        "nobody has taken anything yet"
    );
    let mut taken = apps.iter().cycle();
    for to in taken.by_ref().take(256) {
        scheduler.ended(to, 1, TAKEN, at);
    }
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon);
    scheduler.waited_in_vain(&apps[0], at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon, "the next one waits, too");
    assert!(!scheduler.eases());
    assert_eq!(
        publish(&mut scheduler, &app(200), 7, at),
        Ok(Some(7)),
        "an app without any has its slots"
    );
    while !scheduler.eases() {
        scheduler.ended(taken.next().unwrap(), 1, TAKEN, at);
    }
    assert_eq!(scheduler.memory.held, HELD_MAX / 8 * 7 - 1);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Reserved);
}

#[test]
fn nobody_waits_for_room_in_memory_that_is_full_of_what_is_taken_slowly() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, at);
    for (n, to) in apps.iter().cycle().take(256).enumerate() {
        scheduler.ended(to, 1, TAKEN, now(AT.0, 250 + n as u64));
    }
    assert_eq!(scheduler.reserve(&apps[0], now(AT.0, 505)), Place::OnDisk);
}

#[test]
fn a_backlog_does_not_grow_while_memory_is_full_of_what_is_taken_fast() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, at);
    for to in apps.iter().cycle().take(256) {
        scheduler.ended(to, 1, TAKEN, at);
    }
    scheduler.due(&apps[0], AT, at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon);
    let later = now(AT.0 + 10_001, 0);
    assert_eq!(scheduler.reserve(&apps[0], later), Place::OnDisk, "it is too old");
}
