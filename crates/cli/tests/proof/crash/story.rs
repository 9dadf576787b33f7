//! One long story: twenty runs of the platform on one folder, each of them killed, and a last one that is not.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::StatusCode;
use fastrand::Rng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, Gone, event};
use crate::process::{Launch, Platform};
use crate::sink::{Reply, Seen, Sink};
use crate::{power, until};

const KILLS: usize = 20;
const PRODUCERS: usize = 4;
/// Further than the last rung of the ladder.
const SEVEN_HOURS: u64 = 7 * 60 * 60;

/// What the disk keeps when the platform is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// All that was written: only the process dies.
    KeepsAll,
    /// What was synced, and of the rest what it pleases: the power fails.
    KeepsSynced,
}

/// When a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Publishing,
    /// While events are published and retries of the first rung go out among them.
    FirstRung,
    /// Nothing is in flight: whatever was taken is settled, and the rest waits for its time.
    BetweenRungs,
    /// While the retries of a later rung go out.
    LaterRung,
}

impl Moment {
    fn of(run: usize) -> Self {
        [Self::Publishing, Self::FirstRung, Self::BetweenRungs, Self::LaterRung][run % 4]
    }
}

/// What the producers know.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<String>,
    acked: BTreeSet<String>,
    /// Sent, and the connection broke before an answer: stored or not.
    unanswered: BTreeSet<String>,
}

pub(super) struct Story {
    disk: Disk,
    rng: Rng,
    dir: TempDir,
    undo: TempDir,
    sink: Sink,
    ledger: Arc<Mutex<Ledger>>,
}

/// Some events fail up to three times, so that they climb the ladder; some take a moment, so that they are in flight.
fn reply(id: &str, before: usize) -> Reply {
    let number: usize = id.bytes().map(usize::from).sum();
    let status = if before < [0, 0, 0, 1, 2, 3][number % 6] {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    };
    let after = Duration::from_millis([0, 0, 0, 20][number % 4]);
    Reply { status, after }
}

impl Story {
    pub(super) async fn begin(disk: Disk, seed: u64) -> Self {
        Self {
            disk,
            rng: Rng::with_seed(seed),
            dir: tempfile::tempdir().unwrap(),
            undo: tempfile::tempdir().unwrap(),
            sink: Sink::answering(reply).await,
            ledger: Arc::default(),
        }
    }

    /// Tells it to the end.
    pub(super) async fn told(mut self) {
        let mut n_unsynced = 0;
        for run in 0..KILLS {
            n_unsynced += self.run_and_kill(run).await;
        }
        // In the form without power failures nothing is noted.
        assert_eq!(n_unsynced > 0, self.disk == Disk::KeepsSynced);
        self.sink.begin(KILLS);
        let platform = self.start();
        let api = &platform.api;
        self.quiet(api).await;
        while !api.pending().await.is_empty() {
            api.advance(SEVEN_HOURS).await;
            self.quiet(api).await;
        }
        self.judge(api).await;
        platform.stop();
    }

    fn start(&self) -> Platform {
        let launch = Launch::dev(self.dir.path());
        match self.disk {
            Disk::KeepsAll => launch.start(),
            Disk::KeepsSynced => launch.shimmed("LARKSPUR_SHIM_UNDO", self.undo.path()).start(),
        }
    }

    /// Answers how many writes had not been synced.
    async fn run_and_kill(&mut self, run: usize) -> usize {
        self.sink.begin(run);
        let platform = self.start();
        let api = &platform.api;
        if run == 0 {
            api.create_app("sink", &self.sink.url).await;
        }
        self.ask_again(api).await;
        let stop = CancellationToken::new();
        let mut producers = self.produce(run, api, &stop);
        let enough = self.rng.usize(5..60) + self.ledger().acked.len();
        until("producers are answered", async || self.ledger().acked.len() >= enough).await;
        match Moment::of(run) {
            Moment::Publishing => {}
            Moment::FirstRung => {
                api.advance(15).await;
                self.more_come(1..40).await;
            }
            Moment::BetweenRungs | Moment::LaterRung => {
                stop.cancel();
                // What they had begun to publish still comes.
                for producer in producers.drain(..) {
                    producer.await.unwrap();
                }
                self.quiet(api).await;
            }
        }
        if Moment::of(run) == Moment::LaterRung {
            api.advance([300, 3_600][self.rng.usize(..2)]).await;
            self.more_come(0..8).await;
        }
        platform.kill();
        self.sink.hear_out().await;
        for producer in producers {
            producer.await.unwrap();
        }
        match self.disk {
            Disk::KeepsAll => 0,
            Disk::KeepsSynced => {
                let loses_all = self.rng.bool();
                let keeps = || !loses_all && self.rng.bool();
                power::fail(self.undo.path(), &self.dir.path().join(".larkspur"), keeps)
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Publishes again some of what was not answered. It is the same event, so it is never a conflict.
    async fn ask_again(&mut self, api: &Api) {
        let unanswered: Vec<_> = self.ledger().unanswered.iter().cloned().collect();
        for id in unanswered {
            if self.rng.bool() {
                let (status, answer) = api.publish(&event(&id)).await.unwrap();
                assert_eq!(status, 200, "{answer}");
                let mut ledger = self.ledger();
                ledger.unanswered.remove(&id);
                ledger.acked.insert(id);
            }
        }
    }

    fn produce(&mut self, run: usize, api: &Api, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let produce = |producer: usize| {
            let (rng, ledger) = (self.rng.fork(), Arc::clone(&self.ledger));
            let name = format!("crash-{run}-{producer}");
            tokio::spawn(produce(api.clone(), name, rng, stop.clone(), ledger))
        };
        (0..PRODUCERS).map(produce).collect()
    }

    /// Waits until some more events came, if any come.
    async fn more_come(&mut self, some: Range<usize>) {
        let enough = self.rng.usize(some) + self.sink.n_came();
        let deadline = Instant::now() + Duration::from_secs(1);
        until("events come", async || {
            self.sink.n_came() >= enough || Instant::now() > deadline
        })
        .await;
    }

    /// Waits until everything that was taken is settled, and everything else waits for its time.
    async fn quiet(&self, api: &Api) {
        until("all that was taken is settled", async || {
            let came = self.sink.n_came();
            let pending = api.pending().await;
            let waits = |delivery: &Value| !self.sink.took(delivery["event_id"].as_str().unwrap());
            let seen = self.sink.seen();
            let all_came = self.ledger().acked.iter().all(|id| seen.contains_key(id));
            let quiet = all_came && pending.iter().all(waits) && self.sink.is_idle() && came == self.sink.n_came();
            // Nor is a retry on its way here: what is not in memory waits on disk, and none of that is due.
            let now = api.now().await;
            let is_due = |delivery: &Value| delivery["due_at"].as_i64().is_some_and(|at| at <= now);
            quiet && !pending.iter().any(is_due) && api.in_memory().await == 0
        })
        .await;
    }

    #[expect(clippy::print_stdout, reason = "the duplicates are to be counted")]
    async fn judge(&self, api: &Api) {
        let seen = self.sink.seen();
        let ledger = self.ledger.lock().unwrap().acked.clone();
        let lost: Vec<_> = ledger.iter().filter(|id| !self.sink.took(id)).collect();
        assert!(lost.is_empty(), "acknowledged and never received: {lost:?}");
        let sent = self.ledger().sent.clone();
        let invented: Vec<_> = seen.keys().filter(|id| !sent.contains(*id)).collect();
        assert!(invented.is_empty(), "never sent: {invented:?}");
        let mut n_duplicates = 0;
        for (id, seen) in seen.iter().filter(|(_, seen)| seen.taken.len() > 1) {
            n_duplicates += seen.taken.len() - 1;
            explain(id, seen, &api.attempts(id).await);
        }
        let (n_sent, n_acked, n_came) = (sent.len(), ledger.len(), self.sink.n_came());
        println!(
            "{KILLS} kills: {n_acked} of {n_sent} events acknowledged, {n_came} pushes came, {n_duplicates} twice"
        );
    }
}

/// A duplicate is one that a kill caught in flight: the platform never learned that it had been taken.
fn explain(id: &str, seen: &Seen, attempts: &[Value]) {
    let n_logged = attempts.iter().filter(|attempt| attempt["error"].is_null()).count();
    assert_eq!(n_logged, 1, "{id} was settled before it was pushed again: {attempts:?}");
    // On a busy machine the platform may give up waiting for an answer that was on its way.
    let n_unanswered = attempts.iter().filter(|attempt| attempt["code"].is_null()).count();
    let (_, earlier) = seen.taken.split_last().unwrap();
    let quiet = |run: &&usize| Moment::of(**run) == Moment::BetweenRungs;
    let n_unexplained = earlier.iter().filter(quiet).count();
    assert!(n_unexplained <= n_unanswered, "{id}: {seen:?} {attempts:?}");
    let n_runs = seen.taken.iter().collect::<BTreeSet<_>>().len();
    assert!(seen.taken.len() <= n_runs + n_unanswered, "{id}: {seen:?} {attempts:?}");
}

/// Publishes, one event or a few at a time, until told to stop or the platform is gone.
async fn produce(api: Api, name: String, mut rng: Rng, stop: CancellationToken, ledger: Arc<Mutex<Ledger>>) {
    let mut n_sent = 0;
    while !stop.is_cancelled() {
        let n_events = [1, 1, 1, rng.usize(2..9)][rng.usize(..4)];
        let ids: Vec<_> = (n_sent..n_sent + n_events).map(|n| format!("{name}-{n}")).collect();
        n_sent += n_events;
        ledger.lock().unwrap().sent.extend(ids.iter().cloned());
        let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        let answered = match &events[..] {
            [one] => api.publish(one).await.map(|(status, answer)| (status, vec![answer])),
            many => api.publish_lines(many).await,
        };
        let mut ledger = ledger.lock().unwrap();
        match answered {
            Ok((status, answers)) => {
                assert_eq!((status, answers.len()), (200, ids.len()), "{answers:?}");
                for (id, answer) in ids.into_iter().zip(answers) {
                    assert_eq!(answer["event_id"], *id, "{answer}");
                    ledger.acked.insert(id);
                }
            }
            Err(Gone) => {
                ledger.unanswered.extend(ids);
                return;
            }
        }
    }
}
