//! One job: what it is to push again, how far it is, and how it ended.

use std::fmt;
use std::str::FromStr;

use larkspur_store::{DeliveryId, DeliveryState, EventGlob, StoreError, TimeRange};
use larkspur_wire::{AppId, TimestampMs};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Resent;

/// Names a job for as long as the platform runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u64);

impl JobId {
    pub(super) fn mint(random: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(random))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// What is pushed again of the part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// What is not delivered: dead, or waiting for its next try.
    Recovery,
    /// Everything, also what was delivered.
    Replay,
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Events accepted from this time on.
    pub from: TimestampMs,
    /// Events accepted before this time; later than now means until now.
    pub to: TimestampMs,
    /// Only deliveries in this state.
    pub state: Option<DeliveryState>,
    /// Only events of these types.
    pub event_type: Option<EventGlob>,
    /// Only for this app.
    pub app_id: Option<AppId>,
}

impl Past {
    pub(super) fn accepted(&self) -> TimeRange {
        TimeRange {
            from: Some(self.from),
            to: Some(self.to),
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It goes through the log.
    Running,
    /// It went through all of it.
    Done,
    /// Somebody ended it, or the platform stopped.
    Cancelled,
    /// The store failed.
    Failed,
}

/// A job at one moment.
#[derive(Clone, Debug)]
pub struct JobInfo {
    /// Its id.
    pub id: JobId,
    /// What it pushes again.
    pub kind: JobKind,
    /// The part of the log it goes through.
    pub past: Past,
    /// Where it stands.
    pub state: JobState,
    /// When it began.
    pub started_at: TimestampMs,
    /// When it ended.
    pub ended_at: Option<TimestampMs>,
    /// What it made due, and what it left alone.
    pub resent: Resent,
    /// It has gone through what was accepted before this time.
    pub reached: TimestampMs,
    /// Why it failed.
    pub error: Option<String>,
}

/// A job cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgainError {
    /// The time ends before it begins, or lies ahead.
    #[error("the time to push again is empty, or lies ahead")]
    NoTime,
    /// Enough jobs run.
    #[error("{running} jobs are running, and there are never more")]
    TooMany {
        /// How many.
        running: usize,
    },
}

#[derive(Debug)]
pub(super) struct Job {
    info: watch::Sender<JobInfo>,
    cancelled: CancellationToken,
}

impl Job {
    pub(super) fn new(id: JobId, kind: JobKind, past: Past, now: TimestampMs, stop: &CancellationToken) -> Self {
        let info = JobInfo {
            id,
            kind,
            state: JobState::Running,
            started_at: now,
            ended_at: None,
            resent: Resent::default(),
            reached: past.from,
            past,
            error: None,
        };
        Self {
            info: watch::Sender::new(info),
            cancelled: stop.child_token(),
        }
    }

    pub(super) fn info(&self) -> JobInfo {
        self.info.borrow().clone()
    }

    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Returns when the job has ended.
    pub(super) async fn ended(&self) {
        let mut info = self.info.subscribe();
        // The sender lives as long as this does.
        let _ = info.wait_for(|info| info.state != JobState::Running).await;
    }

    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.cancelled.run_until_cancelled(work).await
    }

    /// Counts a batch that went up to a delivery.
    pub(super) fn progress(&self, one: Resent, last: Option<DeliveryId>) {
        self.info.send_modify(|info| {
            info.resent.resent += one.resent;
            info.resent.under_way += one.under_way;
            info.reached = last.map_or(info.past.to, |last| last.accepted_at().max(info.reached));
        });
    }

    /// Ends the job; `None` when it was cancelled.
    pub(super) fn end(&self, now: TimestampMs, walked: Option<Result<(), StoreError>>) {
        self.info.send_modify(|info| {
            info.ended_at = Some(now);
            info.state = match &walked {
                Some(Ok(())) => JobState::Done,
                Some(Err(_)) => JobState::Failed,
                None => JobState::Cancelled,
            };
            if info.state == JobState::Done {
                info.reached = info.past.to;
            }
            info.error = walked.and_then(Result::err).map(|error| error.to_string());
        });
    }
}
