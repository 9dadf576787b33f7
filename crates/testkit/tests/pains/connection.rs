//! P2: connections that die silently, and clients that do not come back.

use std::time::Duration;

use larkspur::{App, ConnectError, Domain, Meta, Router};
use larkspur_testkit::{Client, Cut, DeliveryState, Fault, TestPlatform};
use tokio::time::Instant;

use crate::{EXAM, FIRST_RUNG};

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
    let lab = TestPlatform::start().await;
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

/// How much memory this process uses, in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Events of a platform that claims two thousand million fragments for each cost no memory, and nothing is lost.
///
/// Seen of larksuite-oapi-sdk-rs, openlark and feishu-sdk, which make room for as many as are claimed.
#[tokio::test]
async fn frag_bomb() {
    let lab = TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 200).await;
    let _bot = lab.client(Router::new().fallback(take)).await;
    let before = resident_kib();
    lab.chaos().times(50, Fault::ClaimFragments { sum: 1 << 31 });
    let mut events = Vec::new();
    for _ in 0..50 {
        events.push(lab.trigger(EXAM).await);
    }
    for event in &events {
        lab.attempts(event, 1).await;
    }
    assert!(
        resident_kib() < before + 64 * 1024,
        "{before} KiB before, {} now",
        resident_kib()
    );
    assert_eq!(lab.chaos().waiting(), 0);
    lab.advance(FIRST_RUNG);
    for event in &events {
        assert_eq!(lab.settled(event).await, [DeliveryState::Delivered]);
    }
    assert_eq!(lab.engine().hub().counts().sessions_opened, 1);
}
