//! P3 and what was seen of other crates: slow handlers, handlers that panic, handlers that a disconnect cancels; and
//! P8: events that no handler is there for.

use std::sync::{Arc, Mutex, mpsc};

use larkspur::{Inbox, Meta, Router, State};
use larkspur_testkit::{Client, Cut, DeliveryState, TestPlatform};

use crate::{EXAM, Gate, Journal, patient, until};

const OTHER: &str = "hire.eco_background_check.created_v1";

async fn wait(_: Meta, State(gate): State<Gate>) {
    gate.pass().await;
}

async fn take(_: Meta) {}

/// P3, clawdbot-feishu#325: a handler that takes its time must not hold up other events, nor the heartbeat.
#[tokio::test]
async fn slow_handler() {
    let journal = Journal::of_this_process();
    let lab = TestPlatform::with(|settings| settings.sessions.ping_interval_seconds = 1).await;
    let gate = Gate::shut();
    let router = Router::new().on_raw(EXAM, wait).fallback(take).with_state(gate.clone());
    let _bot = lab.client(router).await;
    let slow = lab.trigger(EXAM).await;
    until("the handler runs", || gate.came() == 1).await;
    let pinged = lab.engine().hub().sessions()[0].last_ping_at;
    let quick = lab.trigger(OTHER).await;
    assert_eq!(lab.settled(&quick).await, [DeliveryState::Delivered]);
    let warned = || !journal.lines(&["WARN", slow.as_str(), "of 3s"]).is_empty();
    until("a warning before the time is up", warned).await;
    assert!(
        lab.engine().hub().sessions()[0].last_ping_at > pinged,
        "the heart beats on"
    );
    gate.open(1);
    lab.settled(&slow).await;
}

async fn panic(_: Meta) {
    panic!("on purpose");
}

/// Seen of larksuite-oapi-sdk-rs: a handler that panics ends the client. Here its event fails, and nothing else.
#[tokio::test]
async fn panic_handler() {
    let lab = patient().await;
    let _bot = lab.client(Router::new().on_raw(EXAM, panic).fallback(take)).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.attempts(&event, 1).await[0].code, Some(500));
    let other = lab.trigger(OTHER).await;
    assert_eq!(lab.settled(&other).await, [DeliveryState::Delivered]);
    assert_eq!(lab.engine().hub().counts().sessions_opened, 1, "the connection stays");
}

/// Seen of larksuite-oapi-sdk-rs: a lost connection cancels the handlers that run, half-way through what they do.
#[tokio::test]
async fn disconnect_mid_handler() {
    let lab = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 1_000).await;
    let gate = Gate::shut();
    let _bot = lab.client(Router::new().fallback(wait).with_state(gate.clone())).await;
    let event = lab.trigger(EXAM).await;
    until("the handler runs", || gate.came() == 1).await;
    assert_eq!(lab.chaos().cut(Cut::Reset), 1);
    lab.attempts(&event, 1).await;
    lab.until(async || lab.engine().hub().counts().sessions_opened == 2)
        .await;
    lab.online(1).await;
    gate.open(1);
    until("the handler finishes", || gate.through() == 1).await;
    lab.drained().await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    assert_eq!(lab.handled(&event), 1, "the repeat is known");
}

/// P8, oapi-sdk-java#185: an event that nobody handles is acknowledged, counted, and logged once for its type.
#[tokio::test]
async fn unhandled() {
    let journal = Journal::of_this_process();
    let lab = patient().await;
    let bot = lab.client(Router::new().on_raw(OTHER, take)).await;
    for _ in 0..3 {
        let event = lab.trigger(EXAM).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(lab.attempts(&event, 1).await[0].code, Some(200));
    }
    let report = bot.stop().await;
    assert_eq!((report.received, report.unhandled, report.handled), (3, 3, 0));
    let app = lab.app();
    assert_eq!(journal.lines(&["no handler for", EXAM, app.id()]).len(), 1);
}

/// P8, the other way round: a strict router refuses, for those who share an app with another service.
#[tokio::test]
async fn unhandled_in_strict_mode() {
    let lab = patient().await;
    let strict = lab.watch(Router::new().on_raw(OTHER, take).strict());
    let _bot = Client::start(lab.app().connect(strict));
    lab.online(1).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.attempts(&event, 1).await[0].code, Some(500));
}

/// P3, the same for a handler that blocks its thread, and every other of its runtime.
#[test]
fn blocking_handler() {
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap()
    };
    let (outside, of_handlers) = (runtime(2), runtime(1));
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let block = move |_: Meta| {
        let released = Arc::clone(&released);
        async move { released.lock().unwrap().recv().unwrap() }
    };
    outside.block_on(async {
        let lab = TestPlatform::with(|settings| settings.sessions.ping_interval_seconds = 1).await;
        let router = lab.watch(Router::new().fallback(block));
        let connect = lab.app().connect(router);
        let _bot = of_handlers.spawn(connect.into_future());
        lab.online(1).await;
        let event = lab.trigger(EXAM).await;
        until("the handler blocks", || lab.handled(&event) == 1).await;
        let ping = || {
            lab.engine()
                .hub()
                .sessions()
                .first()
                .map(|session| session.last_ping_at)
        };
        let before = ping().unwrap();
        until("the heart beats on", || ping().is_some_and(|at| at > before)).await;
        assert_eq!(lab.engine().hub().counts().sessions_opened, 1);
        release.send(()).unwrap();
        lab.settled(&event).await;
    });
    of_handlers.shutdown_background();
}

/// P3, clawdbot-feishu#325: work that takes longer than the platform waits is acknowledged on receipt, from a durable
/// inbox: the platform pushes once, and what fails is tried again here.
#[tokio::test]
async fn inbox_takes_what_is_slow() {
    let lab = patient().await;
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::open(folder.path().join("inbox.db")).unwrap();
    let gate = Gate::shut();
    let router = Router::new()
        .fallback(wait)
        .ack_on_receipt(inbox)
        .with_state(gate.clone());
    let _bot = lab.client(router).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    until("the handler runs", || gate.came() == 1).await;
    assert_eq!(gate.through(), 0, "it was acknowledged before");
    gate.open(1);
    until("the handler is done", || gate.through() == 1).await;
    assert_eq!(lab.attempts(&event, 1).await.len(), 1);
}
