//! P2: connections that die silently, and clients that do not come back.

use std::time::Duration;

use larkspur::{App, ConnectError, ConnectionState, Domain, Meta, Router};
use larkspur_testkit::{Client, Cut, DeliveryState, Fault, TestPlatform};
use tokio::time::Instant;

use crate::fixtures::{is_alone, resident_kib};
use crate::{EXAM, Journal, patient, until};

async fn take(_: Meta) {}

/// P2, openclaw-lark#543: the other side is gone without a word, as after a laptop's sleep. The watchdog notices within
/// two pings and a margin, and the next event arrives.
#[tokio::test]
async fn half_open() {
    for cut in [Cut::HalfOpen, Cut::Silence] {
        let lab = TestPlatform::with(|settings| settings.sessions.ping_interval_seconds = 1).await;
        let _bot = lab.client(Router::new().fallback(take)).await;
        let since = Instant::now();
        assert_eq!(lab.chaos().cut(cut), 1);
        lab.until(async || lab.engine().hub().counts().sessions_opened == 2)
            .await;
        // The watchdog's own, and that of a machine that does ten things at once.
        let margin = Duration::from_secs(10 + 15);
        assert!(
            since.elapsed() < 2 * Duration::from_secs(1) + margin,
            "{cut:?}: {:?}",
            since.elapsed()
        );
        lab.online(1).await;
        let event = lab.trigger(EXAM).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered], "{cut:?}");
    }
}

/// P2: with a wrong secret the client ends at once and says what to do; larksuite-oapi-sdk-rs tries for ever.
#[tokio::test]
async fn bad_secret() {
    let lab = patient().await;
    let right = lab.app();
    let domain = Domain::parse(lab.chaos_url()).unwrap();
    let wrong = App::new(right.id(), "wrong").unwrap().domain(domain);
    let error = Client::start(wrong.connect(Router::new())).ended().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Refused {
                code: 1_000_040_345,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("check both"), "{error}");
    assert_eq!(lab.chaos().tally().lookups, 1);
}

/// Events of a platform that claims two thousand million fragments for each cost no memory, and nothing is lost.
///
/// Seen of larksuite-oapi-sdk-rs, openlark and feishu-sdk, which make room for as many as are claimed.
#[tokio::test]
async fn frag_bomb() {
    if !is_alone("connection::frag_bomb") {
        return;
    }
    let lab = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 1_000).await;
    let _bot = lab.client(Router::new().fallback(take)).await;
    let event = lab.trigger(EXAM).await;
    lab.drained().await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    let before = resident_kib();
    lab.chaos().times(50, Fault::ClaimFragments { sum: 1 << 31 });
    let mut events = Vec::new();
    for _ in 0..50 {
        events.push(lab.trigger(EXAM).await);
    }
    for event in &events {
        lab.attempts(event, 1).await;
    }
    let after = resident_kib();
    assert!(after < before + 32 * 1024, "{before} KiB, then {after}");
    assert_eq!(lab.chaos().waiting(), 0);
    lab.drained().await;
    for event in &events {
        assert_eq!(lab.settled(event).await, [DeliveryState::Delivered]);
    }
    assert_eq!(lab.engine().hub().counts().sessions_opened, 1);
}

/// P2, oapi-sdk-python#169: a look-up that is never answered is given up and tried again, and so is a handshake; that
/// bot was deaf for three days.
#[tokio::test]
async fn lookup_hangs() {
    let lab = patient().await;
    lab.chaos().next(Fault::LookupSilent);
    lab.chaos().next(Fault::HandshakeSilent);
    let app = lab.app().io_timeout(Duration::from_secs(5));
    let _bot = Client::start(app.connect(Router::new()));
    lab.online(1).await;
    assert_eq!((lab.chaos().tally().lookups, lab.chaos().waiting()), (3, 0));
}

/// P2, openclaw#42436: a busy platform is tried again after a longer wait, which is not the same for everybody.
#[tokio::test]
async fn busy_backoff() {
    let lab = patient().await;
    let clients = 8;
    lab.chaos().times(clients, Fault::LookupRefused { code: 1_000_040_351 });
    let (mut bots, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..clients {
        let connect = lab.app().connect(Router::new());
        let mut status = connect.status();
        let before = Instant::now().into_std();
        bots.push(Client::start(connect));
        while let Some(state) = status.changed().await {
            match state {
                ConnectionState::Backoff { next_try, .. } => {
                    waits.push(next_try.saturating_duration_since(before));
                }
                ConnectionState::Online { .. } => panic!("it came online without a wait"),
                _ => continue,
            }
            break;
        }
    }
    waits.sort();
    assert!(waits[0] > Duration::from_secs(2), "no storm: {waits:?}");
    // Of eight random waits within a second, all are this close once in 10⁸ runs.
    assert!(
        waits[clients - 1].abs_diff(waits[0]) > Duration::from_millis(50),
        "{waits:?}"
    );
    lab.online(clients).await;
}

/// P2, larksuite/node-sdk#177: a platform that refuses is met by one loop, in flat memory, with few words; that client
/// ran loop beside loop and wrote 62,000 lines.
#[tokio::test]
async fn single_loop() {
    if !is_alone("connection::single_loop") {
        return;
    }
    let journal = Journal::of_this_process();
    let lab = patient().await;
    lab.chaos().always(Fault::LookupStatus(503));
    let app = lab
        .app()
        .reconnect_waits(Duration::from_millis(1)..=Duration::from_millis(2));
    let _bot = Client::start(app.connect(Router::new()));
    until("some tries", || lab.chaos().tally().lookups >= 200).await;
    let before = resident_kib();
    until("a thousand more", || lab.chaos().tally().lookups >= 1_200).await;
    let after = resident_kib();
    assert!(after < before + 2 * 1024, "{before} KiB, then {after}");
    assert_eq!(lab.chaos().tally().lookups_at_once_max, 1, "one loop");
    let lines = journal.lines(&["reconnecting in", app.id()]).len();
    assert!((1..=30).contains(&lines), "{lines} lines");
}
