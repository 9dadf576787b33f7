//! P11 and P12: ending in good order, and several apps in one process.

use std::time::Duration;

use larkspur::{ConnectionState, Meta, Router, State};
use larkspur_testkit::{Client, Cut, DeliveryState};

use crate::{EXAM, FIRST_RUNG, Gate, patient, until};

async fn wait(_: Meta, State(gate): State<Gate>) {
    gate.pass().await;
}

async fn take(_: Meta) {}

/// P11, oapi-sdk-go#141: a client that is asked to stop lets handlers finish, takes nothing new, and says what it did.
#[tokio::test]
async fn drain() {
    let lab = patient().await;
    let gate = Gate::shut();
    let mut bot = lab.client(Router::new().fallback(wait).with_state(gate.clone())).await;
    let running = lab.trigger(EXAM).await;
    until("the handler runs", || gate.came() == 1).await;
    bot.ask_to_stop();
    until("it stops", || bot.status().state() == ConnectionState::Draining).await;
    assert!(!bot.status().is_ready());
    let refused = lab.trigger(EXAM).await;
    assert_eq!(lab.attempts(&refused, 1).await[0].code, Some(500));
    gate.open(1);
    let report = bot.ended().await.unwrap();
    assert_eq!(
        (report.handled, report.refused, report.connections),
        (1, 1, 1),
        "{report}"
    );
    assert!(report.left.is_empty() && report.unacknowledged.is_empty(), "{report}");
    assert_eq!(lab.settled(&running).await, [DeliveryState::Delivered]);
    assert_eq!((lab.handled(&running), lab.handled(&refused)), (1, 0));
    lab.online(0).await;
    let _bot = lab.client(Router::new().fallback(take)).await;
    lab.advance(FIRST_RUNG);
    assert_eq!(
        lab.settled(&refused).await,
        [DeliveryState::Delivered],
        "it goes to whoever comes next"
    );
}

/// P11, the same with a handler that does not end: the deadline holds, and the report names what was left.
#[tokio::test]
async fn drain_deadline() {
    let lab = patient().await;
    let gate = Gate::shut();
    let router = lab.watch(Router::new().fallback(wait).with_state(gate.clone()));
    let connect = lab.app().connect(router).drain_limit(Duration::from_millis(200));
    let mut bot = Client::start(connect);
    lab.online(1).await;
    let event = lab.trigger(EXAM).await;
    until("the handler runs", || gate.came() == 1).await;
    bot.ask_to_stop();
    let report = bot.ended().await.unwrap();
    assert_eq!(report.left, [event.as_str()], "{report}");
    gate.open(1);
    until("nothing cancels it even so", || gate.through() == 1).await;
}

/// P12, oapi-sdk-python#96: ten apps in one runtime, and what happens to one is not felt by the others.
#[tokio::test]
async fn ten_apps() {
    let lab = patient().await;
    let mut apps = Vec::new();
    for n in 0..10 {
        let id = lab.add_app(&format!("app {n}")).await;
        let router = lab.watch(Router::new().fallback(take));
        let bot = Client::start(lab.credentials(&id).connect(router));
        lab.app_online(&id, 1).await;
        apps.push((id, bot));
    }
    // One app is deleted, one client is dropped, and all connections are cut.
    let (deleted, bot) = apps.remove(0);
    lab.engine().delete_app(&deleted).await.unwrap();
    assert!(bot.ended().await.is_err(), "its client ends");
    let (_, dropped) = apps.remove(0);
    drop(dropped);
    let opened = lab.engine().hub().counts().sessions_opened;
    lab.chaos().cut(Cut::End);
    let back = u64::try_from(apps.len()).unwrap();
    lab.until(async || lab.engine().hub().counts().sessions_opened >= opened + back)
        .await;
    for (id, _bot) in &apps {
        lab.app_online(id, 1).await;
        let event = lab.trigger_for(id, EXAM).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(lab.handled(&event), 1);
    }
}
