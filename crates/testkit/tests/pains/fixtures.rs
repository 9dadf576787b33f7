//! What several tests need: a gate that handlers wait at, a journal of log lines, waiting for a condition.

use std::fmt::{Debug, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use larkspur_testkit::TestPlatform;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// A type whose example is small.
pub(crate) const EXAM: &str = "hire.eco_exam.created_v1";
/// When a failed event is pushed again.
pub(crate) const FIRST_RUNG: Duration = Duration::from_secs(15);
/// A minute and more: nothing takes longer, however busy this machine is. A process that is stopped does not look.
const LOOKS_MAX: usize = 12_000;

/// A platform that gives handlers more than 3 s, for tests that are not about time: this machine may be busy.
pub(crate) async fn patient() -> TestPlatform {
    TestPlatform::with(|settings| settings.delivery.push_timeout_ms = 30_000).await
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if so() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not so, although this looked {LOOKS_MAX} times");
}

/// Set in a process that runs one test.
const ALONE: &str = "LARKSPUR_TEST_ALONE";

/// Runs a test in a process of its own, since what it measures is of the whole process. There it answers true.
pub(crate) fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    let output = process
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// How much memory this process has, in KiB.
pub(crate) fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Where handlers wait until the test lets them go on.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    through: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn shut() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self {
            places: none(),
            waiting: none(),
            through: none(),
        }
    }

    /// For handlers: waits until the gate is opened.
    pub(crate) async fn pass(&self) {
        self.waiting.add_permits(1);
        self.places.acquire().await.unwrap().forget();
        self.through.add_permits(1);
    }

    /// How many handlers have come to the gate.
    pub(crate) fn came(&self) -> usize {
        self.waiting.available_permits()
    }

    /// How many handlers have gone through.
    pub(crate) fn through(&self) -> usize {
        self.through.available_permits()
    }

    /// Lets so many handlers through, now or when they come.
    pub(crate) fn open(&self, for_handlers: usize) {
        self.places.add_permits(for_handlers);
    }
}

/// The log lines of the whole process; tests tell theirs by the ids of their apps and events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// The journal of this process, which begins with the first call.
    pub(crate) fn of_this_process() -> Self {
        static JOURNAL: OnceLock<Journal> = OnceLock::new();
        let begin = || {
            let journal = Self::default();
            let subscriber = Registry::default().with(journal.clone());
            tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
            journal
        };
        JOURNAL.get_or_init(begin).clone()
    }

    /// The lines that hold all of these words.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |line: &&String| words.iter().all(|word| line.contains(word));
        lines.iter().filter(holds).cloned().collect()
    }
}

/// The spans' fields, kept beside them.
struct Fields(String);

/// Writes fields one after the other.
struct Writer<'a>(&'a mut String);

impl tracing::field::Visit for Writer<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<S> Layer<S> for Journal
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("larkspur")
            && metadata.target().split("::").next() == Some("larkspur")
            && *metadata.level() <= tracing::Level::INFO
    }

    fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let mut fields = String::new();
        attributes.record(&mut Writer(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut Writer(&mut line));
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                line.push_str(fields);
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
