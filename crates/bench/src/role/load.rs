//! The load generator: producers that publish over connections they keep, as fast as they are answered or at a fixed
//! rate.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};

use super::say;
use crate::http::{Connection, Message, request};
use crate::process::now_ns;
use crate::{event, record};

/// Where events are published.
pub(crate) const PUBLISH_PATH: &str = "/api/v1/events";
/// A producer that is told to come back later does so after this long at most: a measurement is short.
const RETRY_AFTER_MAX: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// Requests under way at once.
    pub(crate) producers: usize,
    /// Events in a request; more than one go as NDJSON.
    pub(crate) batch: u64,
    /// Requests a second, however they are answered; as fast as they are answered when `None`.
    pub(crate) rate: Option<f64>,
    pub(crate) seconds: f64,
    /// No more events than these.
    pub(crate) events_max: u64,
    /// The number of the first event.
    pub(crate) first_seq: u64,
    /// Events go to tenants `first_tenant`, and so many of them, in turn.
    pub(crate) first_tenant: usize,
    pub(crate) tenants: usize,
    /// Gets two numbers for each event from `first_seq` on: when it was sent, and when it was acknowledged (0 for never).
    pub(crate) record: PathBuf,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    /// Events acknowledged.
    pub(crate) acked: u64,
    /// Events answered with anything else, or with nobody who gets them.
    pub(crate) refused: u64,
    /// Times that the platform asked to come back later.
    pub(crate) throttled: u64,
}

struct Load {
    spec: Spec,
    next: Cell<u64>,
    deadline_ns: u64,
    /// Sent and acknowledged, alternating.
    times_ns: RefCell<Vec<u64>>,
    done: Cell<Done>,
}

/// The number of the first event of a request, and when it was to be sent.
type Tick = (u64, u64);

pub(super) async fn run(spec: Spec) -> Result<()> {
    let mut connections = Vec::with_capacity(spec.producers);
    for _ in 0..spec.producers {
        connections.push(Connection::open(spec.address).await?);
    }
    let started_ns = now_ns();
    let load = Rc::new(Load {
        next: Cell::new(spec.first_seq),
        deadline_ns: started_ns + nanoseconds(spec.seconds),
        times_ns: RefCell::default(),
        done: Cell::default(),
        spec,
    });
    let ticks = load
        .spec
        .rate
        .map(|rate| Rc::new(Mutex::new(ticks(&load.spec, rate, started_ns))));
    let producers = connections.into_iter().map(|connection| {
        let (load, ticks) = (Rc::clone(&load), ticks.clone());
        async move { load.produce(connection, ticks).await }
    });
    try_join_all(producers).await?;
    let done = Done {
        started_ns,
        ended_ns: now_ns(),
        ..load.done.get()
    };
    record::save(&load.spec.record, &load.times_ns.borrow())?;
    say(&done)
}

fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}

/// A thread that says when to send: the runtime's own timer is a millisecond coarse, which is more than what is measured.
fn ticks(spec: &Spec, rate: f64, started_ns: u64) -> mpsc::UnboundedReceiver<Tick> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (first, batch, seconds, events_max) = (spec.first_seq, spec.batch, spec.seconds, spec.events_max);
    std::thread::spawn(move || {
        let interval = Duration::from_secs_f64(1.0 / rate);
        for n in 0.. {
            let due = interval * n;
            if due.as_secs_f64() >= seconds || u64::from(n) * batch >= events_max {
                return;
            }
            let since = Duration::from_nanos(now_ns() - started_ns);
            if let Some(wait) = due.checked_sub(since) {
                std::thread::sleep(wait);
            }
            if sender.send((first + u64::from(n) * batch, now_ns())).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Load {
    async fn produce(
        &self,
        mut connection: Connection,
        ticks: Option<Rc<Mutex<mpsc::UnboundedReceiver<Tick>>>>,
    ) -> Result<()> {
        let mut body = Vec::new();
        loop {
            let tick = match &ticks {
                Some(ticks) => ticks.lock().await.recv().await,
                None => self.take(),
            };
            let Some((first, sent_ns)) = tick else {
                return Ok(());
            };
            body.clear();
            for seq in first..first + self.spec.batch {
                let turn = usize::try_from(seq).unwrap_or_default() % self.spec.tenants;
                event::write(&mut body, seq, &event::tenant(self.spec.first_tenant + turn));
                body.push(b'\n');
            }
            self.publish(&mut connection, first, sent_ns, &body).await?;
        }
    }

    fn take(&self) -> Option<Tick> {
        let (first, now_ns) = (self.next.get(), now_ns());
        let left = now_ns < self.deadline_ns && first - self.spec.first_seq < self.spec.events_max;
        self.next.set(first + self.spec.batch);
        left.then_some((first, now_ns))
    }

    async fn publish(&self, connection: &mut Connection, first: u64, sent_ns: u64, body: &[u8]) -> Result<()> {
        let many = self.spec.batch > 1;
        let kind = if many {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let extra = format!("authorization: Bearer {}\r\ncontent-type: {kind}\r\n", self.spec.token);
        let request = request("POST", PUBLISH_PATH, &extra, body);
        self.note(first, 0, sent_ns);
        let answer = loop {
            let answer = connection.exchange(&request).await?;
            if !matches!(answer.status(), 429 | 503) {
                break answer;
            }
            self.count(|done| done.throttled += 1);
            let asked = answer
                .header("retry-after")
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs);
            tokio::time::sleep(asked.unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX)).await;
        };
        self.judge(first, &answer, now_ns());
        Ok(())
    }

    /// Writes down which of a request's events were acknowledged.
    fn judge(&self, first: u64, answer: &Message, now_ns: u64) {
        if answer.status() != 200 {
            return self.count(|done| done.refused += self.spec.batch);
        }
        let lines = answer.body[..]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut seq = first;
        // The floor's handler answers with nothing at all.
        let floor = answer.body.is_empty();
        let mut judge = |acked: bool| {
            if acked {
                self.note(seq, 1, now_ns);
                self.count(|done| done.acked += 1);
            } else {
                self.count(|done| done.refused += 1);
            }
            seq += 1;
        };
        if floor {
            (0..self.spec.batch).for_each(|_| judge(true));
        } else {
            lines.for_each(|line| judge(delivers(line)));
        }
    }

    fn note(&self, first: u64, which: usize, now_ns: u64) {
        let batch = if which == 0 { self.spec.batch } else { 1 };
        let from = usize::try_from(first - self.spec.first_seq).unwrap_or_default() * 2;
        let to = from + usize::try_from(batch).unwrap_or_default() * 2;
        let mut times_ns = self.times_ns.borrow_mut();
        if times_ns.len() < to {
            times_ns.resize(to.next_power_of_two(), 0);
        }
        times_ns[from..to]
            .iter_mut()
            .skip(which)
            .step_by(2)
            .for_each(|time| *time = now_ns);
    }

    fn count(&self, change: impl FnOnce(&mut Done)) {
        let mut done = self.done.get();
        change(&mut done);
        self.done.set(done);
    }
}

/// Whether an answer says that an event was accepted and somebody gets it.
fn delivers(line: &[u8]) -> bool {
    const TO_NOBODY: &[u8] = br#""deliveries":[]"#;
    line.starts_with(br#"{"event_id""#) && !line.windows(TO_NOBODY.len()).any(|part| part == TO_NOBODY)
}

/// What a load generator wrote down: for each event, when it was sent and when it was acknowledged, 0 for never.
pub(crate) fn times(path: &std::path::Path) -> Result<Vec<[u64; 2]>> {
    let times = record::load(path).context("what was sent is not known")?;
    Ok(times.as_chunks::<2>().0.to_vec())
}
