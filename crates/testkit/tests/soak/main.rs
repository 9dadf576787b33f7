//! The soak: time passes on the platform while its client is cut every few seconds in every way. Nothing is lost,
//! nothing is handled twice, and memory stays what it was.
//!
//! `cargo xtask soak` lets an hour pass; among the other tests it is two minutes.
//!
//! Platform and client are processes of their own, so that it shows whose memory grows.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::print_stdout,
    reason = "the client says what it did, and whoever runs this reads figures"
)]

mod client;

use std::time::Duration;

use client::Process;
use larkspur_testkit::{Cut, DeliveryState, Fault, TestPlatform};
use larkspur_wire::EventId;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Set to how many seconds are to pass on the platform.
const SECONDS: &str = "LARKSPUR_SOAK_SECONDS";
/// By which `cargo test` may choose this test.
const NAME: &str = "soak";
const SHORT: u64 = 2 * 60;
/// The time between two cuts.
const ROUND: Duration = Duration::from_secs(5);
/// Events of each round, some before the cut and some after.
const EVENTS: usize = 6;
const EXAM: &str = "hire.eco_exam.created_v1";
/// Seconds before each retry. More of them than Feishu has: on a busy machine some pushes fail without our doing.
const RETRIES: [u64; 12] = [15, 300, 3_600, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG, RUNG];
const RUNG: u64 = 6 * 3_600;
/// Between two events while something waits for one.
const BETWEEN: Duration = Duration::from_millis(200);
/// A minute and more: nothing takes longer, however busy this machine is.
const EVENTS_MORE_MAX: usize = 300;
/// What the platform may take more after the first quarter: the store's caches, 8 MiB for the connection that writes and
/// 2 for each that reads, and the ids of this test.
const PLATFORM_GROWTH_KIB_MAX: usize = 16 * 1024;
/// What the client may take more: it remembers the events of 8 hours, each in up to 40 bytes.
const CLIENT_GROWTH_KIB_MAX: usize = 1024;

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

/// What each process has resident, one figure after another.
#[derive(Debug, Default)]
struct Resident {
    platform_kib: Vec<usize>,
    client_kib: Vec<usize>,
}

impl Resident {
    fn look(&mut self, client: &Process) {
        self.platform_kib.push(resident_kib(std::process::id()));
        self.client_kib.push(resident_kib(client.id()));
    }
}

fn growth(kib: &[usize]) -> usize {
    kib[kib.len() - 1].saturating_sub(kib[0])
}

fn resident_kib(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
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
    let is_over = || {
        let is_back = !way.cuts() || lab.chaos().tally().connections > before;
        is_back && lab.chaos().waiting() == 0
    };
    let n_events_max = events.len() + EVENTS_MORE_MAX;
    while !is_over() {
        assert!(events.len() < n_events_max, "{way:?}: {:?}", lab.chaos().tally());
        // What waits for an event may need one that comes when the client is back.
        events.push(lab.trigger(EXAM).await);
        let _ = timeout(BETWEEN, lab.until(async || is_over())).await;
    }
    lab.online(1).await;
}

async fn nothing_is_lost_and_nothing_is_handled_twice() {
    let seconds = std::env::var(SECONDS).map_or(SHORT, |text| text.parse().unwrap());
    let lab = TestPlatform::with(|settings| {
        settings.sessions.ping_interval_seconds = 1;
        settings.delivery.push_timeout_ms = 500;
        settings.delivery.retry_seconds = RETRIES.to_vec();
    })
    .await;
    let client = Process::start(&lab);
    lab.online(1).await;
    let rounds = usize::try_from(seconds / ROUND.as_secs()).unwrap();
    let (mut events, mut resident) = (Vec::new(), Resident::default());
    for n in 0..rounds {
        round(&lab, WAYS[n % WAYS.len()], &mut events).await;
        if (n + 1) % (rounds / 4).max(1) == 0 {
            resident.look(&client);
        }
    }
    lab.chaos().calm();
    lab.drained().await;
    resident.look(&client);
    for event in &events {
        assert_eq!(lab.settled(event).await, [DeliveryState::Delivered], "{event} is lost");
    }
    let mut said = spawn_blocking(|| client.stop()).await.unwrap();
    said.handled.sort_unstable();
    let mut published: Vec<_> = events.iter().map(EventId::as_str).collect();
    published.sort_unstable();
    assert_eq!(said.handled, published);
    let tally = lab.chaos().tally();
    let (events, connections, lookups) = (events.len(), said.connections, tally.lookups);
    println!("{seconds} s on the platform: {events} events, {connections} connections, {lookups} look-ups");
    println!("at each quarter and after the last retries: {resident:?}");
    assert_eq!(tally.lookups_at_once_max, 1);
    assert!(said.connections > rounds / 4, "{connections}");
    assert!(growth(&resident.platform_kib) < PLATFORM_GROWTH_KIB_MAX, "{resident:?}");
    assert!(growth(&resident.client_kib) < CLIENT_GROWTH_KIB_MAX, "{resident:?}");
}

/// Whether the words that `cargo test` was given choose this test, as they choose among others.
fn is_asked_for() -> bool {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    words.is_empty() || words.iter().any(|word| NAME.contains(word.as_str()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if client::was_run().await {
        return;
    }
    if !is_asked_for() {
        println!("the soak was not asked for");
        return;
    }
    nothing_is_lost_and_nothing_is_handled_twice().await;
}
