//! The soak: time passes on the platform while its client is cut every few seconds in every way. Nothing is lost,
//! nothing is handled twice, and memory stays what it was.
//!
//! `cargo xtask soak` lets an hour pass; among the other tests it is two minutes.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::time::Duration;

use larkspur::{Meta, Router};
use larkspur_testkit::{Client, Cut, DeliveryState, Fault, TestPlatform};
use larkspur_wire::EventId;
use tokio::time::{Instant, timeout};

/// Set to how many seconds are to pass on the platform.
const SECONDS: &str = "LARKSPUR_SOAK_SECONDS";
const SHORT: u64 = 2 * 60;
/// The time between two cuts.
const ROUND: Duration = Duration::from_secs(5);
/// Events of each round, some before the cut and some after.
const EVENTS: usize = 6;
const EXAM: &str = "hire.eco_exam.created_v1";
/// Seconds before each retry. More of them than Feishu has: on a busy machine some pushes fail without our doing.
const RETRIES: [u64; 12] = [15, 300, 3_600, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG];
const RUNG: u64 = 6 * 3_600;
/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two events while something waits for one.
const BETWEEN: Duration = Duration::from_millis(200);
/// What caches, the log of deliveries and the allocator may take more after the first quarter.
const GROWTH_KIB_MAX: usize = 24 * 1024;

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The connection that stands is cut.
    Cut(Cut),
    /// The same, and what the client then tries fails in this way.
    CutAnd(Fault),
    /// This happens to what is on its way.
    On(Fault),
}

const WAYS: [Way; 22] = [
    Way::Cut(Cut::Reset),
    Way::Cut(Cut::End),
    Way::Cut(Cut::Close(1000)),
    Way::Cut(Cut::Close(1001)),
    Way::Cut(Cut::Silence),
    Way::Cut(Cut::HalfOpen),
    Way::CutAnd(Fault::LookupSilent),
    Way::CutAnd(Fault::LookupStatus(503)),
    Way::CutAnd(Fault::LookupRefused { code: 1_000_040_343 }),
    Way::CutAnd(Fault::HandshakeSilent),
    Way::CutAnd(Fault::HandshakeRefused { status: 514, code: 0 }),
    Way::On(Fault::CutBeforeEvent(Cut::Reset)),
    Way::On(Fault::CutBeforeAck(Cut::Reset)),
    Way::On(Fault::CutBeforeAck(Cut::End)),
    Way::On(Fault::DropEvent),
    Way::On(Fault::DropAck),
    Way::On(Fault::Duplicate),
    Way::On(Fault::Delay(Duration::from_millis(50))),
    Way::On(Fault::DelayAck(Duration::from_millis(50))),
    Way::On(Fault::Reorder),
    Way::On(Fault::Fragment { bytes: 64 }),
    Way::On(Fault::ClaimFragments { sum: 1 << 31 }),
];

impl Way {
    /// Whether the client has to connect again.
    fn cuts(self) -> bool {
        !matches!(self, Self::On(fault) if !matches!(fault, Fault::CutBeforeEvent(_) | Fault::CutBeforeAck(_)))
    }

    async fn go(self, lab: &TestPlatform) {
        // The connection may be on its way back from something else.
        let cut = async |cut| lab.until(async || lab.chaos().cut(cut) > 0).await;
        match self {
            Self::Cut(how) => cut(how).await,
            Self::CutAnd(fault) => {
                lab.chaos().next(fault);
                cut(Cut::Reset).await;
            }
            Self::On(fault) => lab.chaos().next(fault),
        }
    }
}

/// A handler that is at work while things happen.
async fn work(_: Meta) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// One round: events, a cut among them, time, and a client that is back.
async fn round(lab: &TestPlatform, way: Way, events: &mut Vec<EventId>) {
    let before = lab.chaos().tally().connections;
    for idx in 0..EVENTS {
        if idx == EVENTS / 2 {
            way.go(lab).await;
        }
        events.push(lab.trigger(EXAM).await);
    }
    lab.advance(ROUND);
    let since = Instant::now();
    let is_over = || {
        let is_back = !way.cuts() || lab.chaos().tally().connections > before;
        is_back && lab.chaos().waiting() == 0
    };
    while !is_over() {
        assert!(since.elapsed() < PATIENCE, "{way:?}: {:?}", lab.chaos().tally());
        // What waits for an event may need one that comes when the client is back.
        events.push(lab.trigger(EXAM).await);
        let _ = timeout(BETWEEN, lab.until(async || is_over())).await;
    }
    lab.online(1).await;
}

/// Lets everything that waits for its retry have it.
async fn settle(lab: &TestPlatform) {
    lab.chaos().calm();
    let backlog = async || lab.engine().store().backlog().await.unwrap();
    for _ in RETRIES {
        lab.advance(Duration::from_secs(RUNG));
        let all_wait = async || {
            let now = lab.engine().clock().now();
            let is_later = |due| due > now;
            // A push that is under way has its lease's end for its due time.
            backlog().await.iter().all(|app| app.next_due.is_none_or(is_later))
                && lab.engine().measures().in_memory == 0
        };
        lab.until(all_wait).await;
        if backlog().await.is_empty() {
            return;
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_handled_twice() {
    let seconds = std::env::var(SECONDS).map_or(SHORT, |text| text.parse().unwrap());
    let lab = TestPlatform::with(|settings| {
        settings.sessions.ping_interval_seconds = 1;
        settings.delivery.push_timeout_ms = 500;
        settings.delivery.retry_seconds = RETRIES.to_vec();
    })
    .await;
    let app = lab
        .app()
        .io_timeout(Duration::from_millis(500))
        .reconnect_waits(Duration::from_millis(5)..=Duration::from_millis(100));
    let bot = Client::start(app.connect(lab.watch(Router::new().fallback(work))));
    lab.online(1).await;
    let rounds = usize::try_from(seconds / ROUND.as_secs()).unwrap();
    let (mut events, mut kib) = (Vec::new(), Vec::new());
    for n in 0..rounds {
        round(&lab, WAYS[n % WAYS.len()], &mut events).await;
        if (n + 1) % (rounds / 4).max(1) == 0 {
            kib.push(resident_kib());
        }
    }
    settle(&lab).await;
    for event in &events {
        assert_eq!(lab.settled(event).await, [DeliveryState::Delivered], "{event} is lost");
        assert_eq!(lab.handled(event), 1, "{event}");
    }
    assert_eq!(lab.handled_again(), []);
    kib.push(resident_kib());
    let (early, late) = (kib[0], kib[kib.len() - 1]);
    assert!(late < early + GROWTH_KIB_MAX, "{kib:?}");
    let report = bot.stop().await;
    let tally = lab.chaos().tally();
    let (events, connections, lookups) = (events.len(), report.connections, tally.lookups);
    println!("{seconds} s on the platform: {events} events, {connections} connections, {lookups} look-ups");
    println!("memory at each quarter and after the last retries, in KiB: {kib:?}");
    assert_eq!(tally.lookups_at_once_max, 1);
    assert!(report.connections > rounds as u64 / 4, "{report}");
}
