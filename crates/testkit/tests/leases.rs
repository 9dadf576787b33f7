//! Leases and the movable clock.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larkspur::{BoxError, Meta, Router, State};
use larkspur_testkit::{DeliveryState, TestPlatform};
use tokio::sync::watch;

const EXAM: &str = "hire.eco_exam.created_v1";
const PRODUCERS: usize = 4;
const EVENTS_EACH: usize = 30;

#[derive(Clone)]
struct Bot {
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
    clock_moved: watch::Receiver<()>,
}

/// Fails every third event once.
async fn take(meta: Meta, State(mut bot): State<Bot>) -> Result<(), BoxError> {
    let fails = {
        let mut seen = bot.seen.lock().unwrap();
        let fails_once = meta.event_id.bytes().map(usize::from).sum::<usize>() % 3 == 0;
        match seen.get_mut(&meta.event_id) {
            Some(n) => {
                *n += 1;
                false
            }
            None => {
                seen.insert(meta.event_id, usize::from(!fails_once));
                fails_once
            }
        }
    };
    // A lease runs out on the way.
    bot.clock_moved.mark_unchanged();
    bot.clock_moved.changed().await?;
    if fails { Err("told to fail".into()) } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_not_pushed_again_however_far_the_clock_is_moved() {
    let platform = TestPlatform::start().await;
    let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let (moved, clock_moved) = watch::channel(());
    let bot = Bot {
        seen: Arc::clone(&seen),
        clock_moved,
    };
    let router = Router::new().fallback(take).with_state(bot);
    let client = tokio::spawn(platform.app().connect(router).into_future());
    platform.online(1).await;
    let platform = Arc::new(platform);
    let produce = |_| {
        let platform = Arc::clone(&platform);
        tokio::spawn(async move {
            let mut events = Vec::new();
            for _ in 0..EVENTS_EACH {
                events.push(platform.trigger(EXAM).await);
            }
            events
        })
    };
    let producers: Vec<_> = (0..PRODUCERS).map(produce).collect();
    let all_settled = async {
        for producer in producers {
            for event in producer.await.unwrap() {
                assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
            }
        }
    };
    let time_flies = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            platform.advance(Duration::from_mins(2));
            moved.send_replace(());
        }
    };
    tokio::select! {
        () = all_settled => {}
        () = time_flies => {}
    }
    let twice: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, n)| **n > 1)
        .map(|(id, n)| (id.clone(), *n))
        .collect();
    client.abort();
    assert!(twice.is_empty(), "{} {twice:?}", twice.len());
}
