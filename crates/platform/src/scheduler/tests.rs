mod waiting;

use super::memory::{BYTES_MAX, HELD_MAX, LANE_BYTES_MAX};
use super::*;

const AT: TimestampMs = TimestampMs(1_000);

fn now(clock: i64, elapsed_ms: u64) -> Now {
    Now {
        clock: TimestampMs(clock),
        elapsed: Duration::from_millis(elapsed_ms),
    }
}

fn app(n: u8) -> AppId {
    AppId::mint([n; 8])
}

const LIMITS: LaneLimits = LaneLimits {
    in_flight: 2,
    per_second: None,
    paused: false,
};

const TAKEN: Ending = Ending::Taken;

fn scheduler() -> Scheduler<u32> {
    Scheduler::new(LIMITS)
}

/// Reserves and enters; answers what is pushed at once, or `Err` when it belongs on disk.
fn publish(scheduler: &mut Scheduler<u32>, to: &AppId, delivery: u32, at: Now) -> Result<Option<u32>, ()> {
    if scheduler.reserve(to, at) == Place::Reserved {
        Ok(scheduler.enter(to, delivery, 1))
    } else {
        Err(())
    }
}

#[test]
fn so_many_are_pushed_at_once_and_the_next_when_one_ends() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(0, 0));
    assert_eq!(publish(&mut scheduler, &to, 1, at), Ok(Some(1)));
    assert_eq!(publish(&mut scheduler, &to, 2, at), Ok(Some(2)));
    assert_eq!(publish(&mut scheduler, &to, 3, at), Ok(None));
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [Some(3), None]);
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [None, None]);
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [None, None]);
    assert_eq!(scheduler.memory.held, 0);
}

#[test]
fn what_does_not_fit_in_memory_belongs_on_disk_and_other_apps_do_not_feel_it() {
    let (mut scheduler, at) = (scheduler(), now(0, 0));
    for n in 0..u32::try_from(QUEUE_MAX).unwrap() + 2 {
        assert!(publish(&mut scheduler, &app(1), n, at).is_ok());
    }
    assert_eq!(publish(&mut scheduler, &app(1), 0, at), Err(()));
    assert_eq!(publish(&mut scheduler, &app(2), 7, at), Ok(Some(7)));
}

#[test]
fn when_memory_is_full_every_app_still_has_its_slots() {
    let (mut scheduler, at) = (scheduler(), now(0, 0));
    let mut n_held = 0;
    for n in 0..30 {
        while publish(&mut scheduler, &app(n), 0, at).is_ok() {
            n_held += 1;
        }
    }
    assert!((HELD_MAX..HELD_MAX + 60).contains(&n_held), "{n_held}");
    assert_eq!(publish(&mut scheduler, &app(99), 7, at), Ok(Some(7)));
}

#[test]
fn nothing_new_overtakes_what_is_due_on_disk() {
    let (mut scheduler, to) = (scheduler(), app(1));
    scheduler.due(&to, AT, now(AT.0, 0));
    assert_eq!(publish(&mut scheduler, &to, 1, now(AT.0, 0)), Err(()));
    assert_eq!(scheduler.claims(now(AT.0, 0)), [(to.clone(), CLAIMS_MAX)]);
    assert_eq!(publish(&mut scheduler, &to, 1, now(AT.0, 0)), Err(()));
    let found = vec![(5, 1), (6, 1), (7, 1)];
    assert_eq!(scheduler.claimed(&to, CLAIMS_MAX, found, None, now(AT.0, 0)), [5, 6]);
    assert_eq!(publish(&mut scheduler, &to, 8, now(AT.0, 0)), Ok(None));
    assert_eq!(scheduler.ended(&to, 1, TAKEN, now(AT.0, 0)), [Some(7), None]);
    assert_eq!(scheduler.memory.held, 3);
}

#[test]
fn what_is_due_later_is_claimed_later() {
    let (mut scheduler, to) = (scheduler(), app(1));
    scheduler.due(&to, AT, now(0, 0));
    assert_eq!(scheduler.claims(now(AT.0 - 1, 0)), []);
    assert_eq!(scheduler.wake().clock, Some(AT));
    assert_eq!(scheduler.claims(now(AT.0, 0)).len(), 1);
    assert_eq!(scheduler.wake().clock, None);
}

#[test]
fn a_due_time_heard_of_while_claiming_is_not_lost() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    scheduler.due(&to, AT, at);
    scheduler.claims(at);
    scheduler.due(&to, TimestampMs(3_000), at);
    scheduler.claimed(&to, CLAIMS_MAX, Vec::new(), Some(TimestampMs(9_000)), at);
    assert_eq!(scheduler.wake().clock, Some(TimestampMs(3_000)));
}

#[test]
fn apps_share_a_round_of_claims() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    for n in 1..=4 {
        scheduler.due(&app(n), AT, at);
    }
    let claims = scheduler.claims(at);
    assert_eq!(claims.len(), 4);
    assert!(claims.iter().all(|(_, wanted)| *wanted == CLAIMS_MAX / 4), "{claims:?}");
}

#[test]
fn an_app_that_keeps_failing_is_tried_slowly_until_it_takes_one() {
    let (mut scheduler, to) = (scheduler(), app(1));
    for n in 0..100 {
        assert_eq!(publish(&mut scheduler, &to, n, now(0, 0)), Ok(Some(n)));
        scheduler.ended(&to, 1, Ending::Refused, now(0, 0));
    }
    assert_eq!(publish(&mut scheduler, &to, 1, now(0, 0)), Ok(Some(1)));
    assert_eq!(publish(&mut scheduler, &to, 2, now(0, 0)), Err(()));
    scheduler.due(&to, TimestampMs(0), now(0, 0));
    scheduler.ended(&to, 1, Ending::Refused, now(0, 0));
    assert_eq!(scheduler.claims(now(0, 49)), []);
    assert_eq!(scheduler.wake().elapsed, Some(Duration::from_millis(50)));
    assert_eq!(scheduler.claims(now(0, 50)), [(to.clone(), 1)]);
    assert_eq!(
        scheduler.claimed(&to, 1, vec![(3, 1)], Some(TimestampMs(0)), now(0, 50)),
        [3]
    );
    scheduler.ended(&to, 1, TAKEN, now(0, 50));
    assert_eq!(scheduler.claims(now(0, 50)), [(to, CLAIMS_MAX)]);
}

#[test]
fn an_app_that_connects_is_tried_at_once() {
    let (mut scheduler, to) = (scheduler(), app(1));
    scheduler.due(&to, TimestampMs(0), now(0, 0));
    for _ in 0..100 {
        scheduler.ended(&to, 0, Ending::Refused, now(0, 0));
    }
    assert_eq!(scheduler.claims(now(0, 0)).pop().map(|(_, wanted)| wanted), Some(1));
    scheduler.claimed(&to, 1, Vec::new(), Some(TimestampMs(0)), now(0, 0));
    scheduler.recovered(&to, now(0, 0));
    assert_eq!(
        scheduler.claims(now(0, 0)).pop().map(|(_, wanted)| wanted),
        Some(CLAIMS_MAX)
    );
}

#[test]
fn a_limit_per_second_holds_for_what_is_new_and_what_is_due() {
    let (mut scheduler, to) = (scheduler(), app(1));
    let limits = LaneLimits {
        per_second: Some(5),
        in_flight: 100,
        paused: false,
    };
    scheduler.configure(&to, limits, now(0, 0));
    let fits = (0..20).filter(|n| publish(&mut scheduler, &to, *n, now(0, 0)) == Ok(Some(*n)));
    assert_eq!(fits.count(), 5);
    scheduler.due(&to, TimestampMs(0), now(0, 0));
    assert_eq!(scheduler.claims(now(0, 0)), []);
    assert_eq!(scheduler.wake().elapsed, Some(Duration::from_millis(200)));
    assert_eq!(scheduler.claims(now(0, 600)), [(to, 3)]);
}

#[test]
fn what_waited_for_a_slow_app_does_not_go_faster_than_its_rate_when_it_is_fast_again() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(0, 0));
    let limits = LaneLimits {
        in_flight: 1,
        per_second: Some(2),
        paused: false,
    };
    scheduler.configure(&to, limits, at);
    for n in 0..50 {
        if publish(&mut scheduler, &to, n, at).is_err() {
            scheduler.due(&to, TimestampMs(0), at);
        }
    }
    scheduler.ended(&to, 1, TAKEN, now(0, 10_000));
    let mut begun = 0;
    for elapsed_ms in 10_000..11_000 {
        let at = now(0, elapsed_ms);
        for (_, wanted) in scheduler.claims(at) {
            let found: Vec<_> = (0..u32::try_from(wanted).unwrap()).map(|n| (n, 1)).collect();
            begun += scheduler.claimed(&to, wanted, found, Some(TimestampMs(0)), at).len();
            scheduler.ended(&to, 1, TAKEN, at);
        }
    }
    // Two at once, and two a second.
    assert_eq!(begun, 3);
}

#[test]
fn a_paused_app_is_pushed_nothing_until_it_goes_on() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    let paused = LaneLimits { paused: true, ..LIMITS };
    scheduler.configure(&to, paused, at);
    assert_eq!(publish(&mut scheduler, &to, 1, at), Err(()));
    scheduler.due(&to, AT, at);
    assert_eq!(scheduler.claims(at), []);
    scheduler.configure(&to, LIMITS, at);
    assert_eq!(scheduler.claims(at).len(), 1);
}

#[test]
fn what_waits_when_an_app_is_paused_goes_back_to_disk() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    for n in 1..=4 {
        publish(&mut scheduler, &to, n, at).unwrap();
    }
    let paused = LaneLimits { paused: true, ..LIMITS };
    scheduler.configure(&to, paused, at);
    assert_eq!(scheduler.shed(), [3, 4]);
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [None, None]);
    assert_eq!(scheduler.memory.held, 1);
    scheduler.configure(&to, LIMITS, at);
    assert_eq!(scheduler.wake().clock, Some(AT.saturating_add(LEASE)));
}

#[test]
fn what_an_app_in_trouble_has_queued_goes_back_to_disk_when_memory_is_short() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    for n in 1..=8 {
        publish(&mut scheduler, &app(1), n, at).unwrap();
    }
    let strain = |scheduler: &mut Scheduler<u32>| scheduler.ended(&app(1), 1, Ending::Strained, at);
    let begun: usize = (0..4).map(|_| strain(&mut scheduler).iter().flatten().count()).sum();
    assert_eq!(scheduler.shed(), [0; 0], "there is room");
    assert_eq!(scheduler.reserve(&app(2), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(2), 9, BYTES_MAX), Some(9));
    strain(&mut scheduler);
    let shed = scheduler.shed();
    assert_eq!(shed.last(), Some(&8));
    assert!(shed.len() + begun >= 5, "{shed:?}");
    let others = scheduler.memory.held - 1;
    assert!(others <= 1 && scheduler.memory.bytes == BYTES_MAX + others);
}

#[test]
fn few_apps_with_large_payloads_leave_room_for_the_others() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    assert_eq!(scheduler.reserve(&app(1), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(1), 1, LANE_BYTES_MAX), Some(1));
    assert_ne!(scheduler.reserve(&app(1), at), Place::Reserved);
    assert_eq!(publish(&mut scheduler, &app(2), 2, at), Ok(Some(2)));
}

#[test]
fn where_payloads_are_too_much_each_app_has_one() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    assert_eq!(scheduler.reserve(&app(1), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(1), 1, BYTES_MAX), Some(1));
    scheduler.due(&app(2), AT, at);
    assert_eq!(scheduler.claims(at), [(app(2), 1)]);
    assert_eq!(publish(&mut scheduler, &app(3), 3, at), Ok(Some(3)));
    assert_eq!(publish(&mut scheduler, &app(3), 4, at), Err(()));
}

#[test]
fn lanes_that_memory_had_no_room_for_are_claimed_when_it_has() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    assert_eq!(scheduler.reserve(&app(1), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(1), 1, 2 * BYTES_MAX), Some(1));
    scheduler.due(&app(2), AT, at);
    assert_eq!(scheduler.claims(at), []);
    scheduler.ended(&app(1), 2 * BYTES_MAX, TAKEN, at);
    assert_eq!(scheduler.claims(at).len(), 1);
}

#[test]
fn an_app_that_is_removed_makes_room_for_the_others() {
    let (mut scheduler, at) = (scheduler(), now(AT.0, 0));
    for n in 1..=2 {
        publish(&mut scheduler, &app(1), n, at).unwrap();
    }
    assert_eq!(scheduler.reserve(&app(1), at), Place::Reserved);
    assert_eq!(scheduler.enter(&app(1), 3, 2 * BYTES_MAX), None);
    scheduler.due(&app(2), AT, at);
    assert_eq!(scheduler.claims(at), []);
    assert_eq!(scheduler.remove(&app(1), at), [3]);
    assert_eq!(scheduler.claims(at).len(), 1);
}

#[test]
fn an_app_that_is_removed_leaves_nothing_behind_once_its_pushes_have_ended() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    for n in 1..=4 {
        publish(&mut scheduler, &to, n, at).unwrap();
    }
    assert_eq!(scheduler.reserve(&to, at), Place::Reserved);
    scheduler.due(&to, AT, at);
    assert_eq!(scheduler.remove(&to, at), [3, 4]);
    assert_eq!((scheduler.claims(at), scheduler.memory.held), (vec![], 3));
    scheduler.give_back(&to, at);
    for _ in 0..2 {
        assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [None, None]);
    }
    assert_eq!((scheduler.memory.held, scheduler.memory.bytes), (0, 0));
}

#[test]
fn a_place_that_is_given_back_lets_a_full_lane_claim_again() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(AT.0, 0));
    while scheduler.reserve(&to, at) == Place::Reserved {}
    scheduler.due(&to, AT, at);
    assert_eq!(scheduler.wake().clock, None);
    while scheduler.memory.held > 0 {
        scheduler.give_back(&to, at);
    }
    assert_eq!(scheduler.wake().clock, Some(AT));
}

/// Pushes as many as go at once, and answers how many that are.
fn burst(scheduler: &mut Scheduler<u32>, to: &AppId, n: u32, at: Now) -> usize {
    let start = (0..n).filter_map(|n| publish(scheduler, to, n, at).ok().flatten());
    start.count()
}

fn wide() -> Scheduler<u32> {
    Scheduler::new(LaneLimits {
        in_flight: 100,
        ..LIMITS
    })
}

#[test]
fn a_new_app_gets_a_few_at_once_and_two_for_each_that_it_takes() {
    let (mut scheduler, to, at) = (wide(), app(1), now(0, 0));
    let mut in_flight = burst(&mut scheduler, &to, 300, at);
    assert_eq!(in_flight, 8);
    let mut n_ended = 0;
    while in_flight < 100 {
        in_flight = in_flight - 1 + scheduler.ended(&to, 1, TAKEN, at).iter().flatten().count();
        n_ended += 1;
    }
    assert_eq!(n_ended, 92);
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at).iter().flatten().count(), 1);
}

#[test]
fn an_app_that_does_not_answer_gets_one_at_a_time_and_then_as_many_as_it_takes() {
    let (mut scheduler, to, at) = (wide(), app(1), now(0, 0));
    let mut in_flight = burst(&mut scheduler, &to, 60, at);
    for _ in 0..20 {
        in_flight = in_flight - 1 + scheduler.ended(&to, 1, Ending::Strained, at).iter().flatten().count();
    }
    assert_eq!(in_flight, 1);
    for expected in 2..=20 {
        in_flight = in_flight - 1 + scheduler.ended(&to, 1, TAKEN, at).iter().flatten().count();
        assert_eq!(in_flight, expected);
    }
}

#[test]
fn an_app_that_answers_with_an_error_gets_as_many_as_before() {
    let (mut scheduler, to, at) = (wide(), app(1), now(0, 0));
    burst(&mut scheduler, &to, 60, at);
    for _ in 0..50 {
        let next = scheduler.ended(&to, 1, Ending::Refused, at);
        assert_eq!(next.iter().flatten().count(), 1);
    }
}

#[test]
fn an_app_in_trouble_has_no_queue_in_memory() {
    let (mut scheduler, to, at) = (wide(), app(1), now(0, 0));
    assert_eq!(burst(&mut scheduler, &to, 99, at), 8);
    assert_eq!(scheduler.ended(&to, 1, Ending::Strained, at), [None, None]);
    assert_eq!(scheduler.memory.held, 98);
    let fits = (0..10).filter(|n| publish(&mut scheduler, &to, *n, at).is_ok());
    assert_eq!(fits.count(), 2);
}

#[test]
fn what_waits_longest_goes_first() {
    let (mut scheduler, to, at) = (scheduler(), app(1), now(0, 0));
    for n in 1..=4 {
        publish(&mut scheduler, &to, n, at).unwrap();
    }
    scheduler.configure(&to, LaneLimits { in_flight: 4, ..LIMITS }, at);
    assert_eq!(publish(&mut scheduler, &to, 5, at), Ok(Some(3)));
    assert_eq!(scheduler.ended(&to, 1, TAKEN, at), [Some(4), Some(5)]);
}
