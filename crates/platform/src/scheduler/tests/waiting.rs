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
    let (mut scheduler, to) = (scheduler(), app(1));
    full(&mut scheduler, &to, 0, now(0, 0));
    scheduler.waited_in_vain(&to, now(0, 0));
    for ms in 0..9 {
        full(&mut scheduler, &to, 255, now(0, ms * 250));
    }
    assert_eq!(scheduler.reserve(&to, now(0, 2_000)), Place::OnDisk);
    full(&mut scheduler, &to, 1, now(0, 2_000));
    assert_eq!(scheduler.reserve(&to, now(0, 2_000)), Place::Soon);
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
    for n in 0..500 {
        scheduler.ended(&app(2), 1, TAKEN, now(0, 9_000 + n * 9 / 10));
        assert_eq!(publish(&mut scheduler, &app(2), 0, at), Ok(None));
        if n == 200 {
            assert_eq!(scheduler.reserve(&app(2), now(0, 9_180)), Place::OnDisk);
        }
    }
    assert_eq!(
        scheduler.reserve(&app(2), now(0, 9_500)),
        Place::Soon,
        "it took 1,100 a second"
    );
}

/// Ten apps that fill memory, each with more than it may be pushed at once. Each has taken so many just now.
fn crowd(scheduler: &mut Scheduler<u32>, n_taken: usize, at: Now) -> Vec<AppId> {
    let apps: Vec<_> = (0..10).map(app).collect();
    let fill = |scheduler: &mut Scheduler<u32>| while apps.iter().all(|to| publish(scheduler, to, 0, at).is_ok()) {};
    fill(scheduler);
    for to in &apps {
        for _ in 0..n_taken {
            scheduler.ended(to, 1, TAKEN, at);
        }
    }
    fill(scheduler);
    scheduler.eases();
    assert!(scheduler.memory.held >= HELD_MAX);
    apps
}

#[test]
fn producers_wait_for_room_in_memory_that_is_full_of_what_is_taken_fast() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, 250, at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon);
    scheduler.waited_in_vain(&apps[0], at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon, "the next one waits, too");
    assert_eq!(
        publish(&mut scheduler, &app(99), 7, at),
        Ok(Some(7)),
        "an app without any has its slots"
    );
    let mut taken = apps.iter().cycle();
    while !scheduler.eases() {
        scheduler.ended(taken.next().unwrap(), 1, TAKEN, at);
    }
    assert_eq!(scheduler.memory.held, HELD_MAX / 8 * 7 - 1);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Reserved);
}

#[test]
fn nobody_waits_for_apps_that_fill_memory_and_take_little_while_others_take_much() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, 150, at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::OnDisk);
    for _ in 0..100 {
        scheduler.ended(&apps[1], 1, TAKEN, at);
    }
    assert_eq!(scheduler.reserve(&apps[1], at), Place::Soon);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::OnDisk);
}

#[test]
fn a_backlog_does_not_grow_while_memory_is_full_of_what_is_taken_fast() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, 250, at);
    scheduler.due(&apps[0], AT, at);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::Soon);
    let later = now(AT.0 + 10_001, 0);
    assert_eq!(scheduler.reserve(&apps[0], later), Place::OnDisk, "it is too old");
}

#[test]
fn lanes_that_payloads_left_no_room_for_are_claimed_though_queues_have_none_yet() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    let apps = crowd(&mut scheduler, 0, at);
    assert_eq!(scheduler.reserve(&app(98), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(98), 1, 2 * BYTES_MAX), Some(1));
    scheduler.due(&app(99), AT, at);
    assert_eq!(scheduler.claims(at), []);
    assert_eq!(scheduler.reserve(&apps[0], at), Place::OnDisk);
    scheduler.ended(&app(98), 2 * BYTES_MAX, TAKEN, at);
    assert!(scheduler.eases());
    assert_eq!(scheduler.claims(at), [(app(99), LIMITS.in_flight)]);
}

#[test]
fn an_app_in_trouble_claims_one_at_a_time_while_memory_is_full_and_sheds_nothing_of_it() {
    let (mut scheduler, to, at) = (scheduler(), app(99), now(AT.0, 0));
    for n in 0..4 {
        publish(&mut scheduler, &to, n, at).unwrap();
    }
    for _ in 0..4 {
        scheduler.ended(&to, 1, Ending::Strained, at);
    }
    crowd(&mut scheduler, 0, at);
    scheduler.due(&to, AT, at);
    for _ in 0..10 {
        assert_eq!(scheduler.claims(at), [(to.clone(), 1)]);
        assert_eq!(scheduler.claimed(&to, 1, vec![(7, 1)], Some(AT), at), [7]);
        assert_eq!(scheduler.claims(at), []);
        scheduler.ended(&to, 1, Ending::Strained, at);
        assert_eq!(scheduler.shed(), [0; 0]);
    }
}
