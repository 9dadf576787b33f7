//! What goes wrong between app and platform, on real sockets: a man in the middle on loopback passes everything on,
//! and breaks what its rules say.
//!
//! It stands between the SDK and the platform for persistent connections, and between the platform and the endpoint
//! for webhooks, so nothing of either knows of it.

mod drift;
mod fault;
mod hook;
mod http;
mod link;
mod pieces;
mod relay;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use fault::{Cut, Fault};
use fault::{Rules, Stage};

/// Orders to cut that a connection may be behind; more than one ends it anyway.
const CUTS_WAITING_MAX: usize = 8;

/// The faults that wait for their moment, and what has passed. Cheap to clone.
///
/// A fault waits until something comes by that it applies to: a look-up, a handshake, an event, an ack. Faults of one
/// moment happen in the order in which they were asked for, one each time.
#[derive(Clone, Debug)]
pub struct Chaos {
    shared: Arc<Shared>,
}

/// What has passed the man in the middle so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Look-ups of a connection URL, the broken ones included.
    pub lookups: usize,
    /// The most look-ups that were under way at one time.
    pub lookups_at_once_max: usize,
    /// Persistent connections that were opened.
    pub connections: usize,
    /// Persistent connections that stand.
    pub standing: usize,
    /// Events that reached the app, repeats and each fragment included.
    pub events: usize,
    /// Answers to events that reached the platform.
    pub acks: usize,
}

#[derive(Debug)]
struct Shared {
    rules: Mutex<Rules>,
    cuts: broadcast::Sender<Cut>,
    counts: Counts,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Counts {
    lookups: AtomicUsize,
    lookups_now: AtomicUsize,
    lookups_at_once_max: AtomicUsize,
    connections: AtomicUsize,
    standing: AtomicUsize,
    events: AtomicUsize,
    acks: AtomicUsize,
}

impl Chaos {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let shared = Shared {
            rules: Mutex::default(),
            cuts: broadcast::channel(CUTS_WAITING_MAX).0,
            counts: Counts::default(),
            stop,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The next thing that the fault applies to meets it.
    pub fn next(&self, fault: Fault) {
        self.times(1, fault);
    }

    /// The next so many things that the fault applies to meet it.
    pub fn times(&self, times: usize, fault: Fault) {
        self.shared.rules().add(fault, Some(times));
    }

    /// Everything that the fault applies to meets it, until [`Chaos::calm`].
    pub fn always(&self, fault: Fault) {
        self.shared.rules().add(fault, None);
    }

    /// The app handles the next event, and the platform never hears of it.
    pub fn drop_next_ack(&self) {
        self.next(Fault::DropAck);
    }

    /// Forgets all faults; what they did stays done.
    pub fn calm(&self) {
        self.shared.rules().clear();
    }

    /// How many faults still wait for their moment; those that never end count once.
    pub fn waiting(&self) -> usize {
        self.shared.rules().waiting()
    }

    /// Cuts every persistent connection that stands, now. Answers how many there were.
    pub fn cut(&self, cut: Cut) -> usize {
        self.shared.cuts.send(cut).unwrap_or_default()
    }

    /// What has passed so far.
    pub fn tally(&self) -> Tally {
        let counts = &self.shared.counts;
        let read = |count: &AtomicUsize| count.load(Ordering::Acquire);
        Tally {
            lookups: read(&counts.lookups),
            lookups_at_once_max: read(&counts.lookups_at_once_max),
            connections: read(&counts.connections),
            standing: read(&counts.standing),
            events: read(&counts.events),
            acks: read(&counts.acks),
        }
    }

    /// Stands between apps and the platform at `platform` (host and port).
    pub(crate) fn stand_before_platform(&self, listener: TcpListener, platform: &str) {
        let (shared, platform) = (Arc::clone(&self.shared), Arc::<str>::from(platform));
        http::serve(listener, self.shared.stop.clone(), move |request| {
            link::pass(Arc::clone(&shared), Arc::clone(&platform), request)
        });
    }

    /// Stands between the platform and an endpoint.
    pub(crate) fn stand_before_endpoint(&self, listener: TcpListener, endpoint: &Url) {
        let hook = Arc::new(hook::Hook::new(Arc::clone(&self.shared), endpoint));
        http::serve(listener, self.shared.stop.clone(), move |request| {
            Arc::clone(&hook).pass(request)
        });
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, stage: Stage) -> Option<Fault> {
        self.rules().take(stage)
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::AcqRel);
}
