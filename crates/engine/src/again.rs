//! Pushing again what was pushed before: one delivery, one event, what failed since a time, or a part of the log.
//!
//! Nothing new is made: the same deliveries become due again, with the same event ids, and an app that had no delivery
//! for an event then does not get one now. What is many goes as a job in the background, oldest first, at a bounded
//! rate that all jobs share, so that an hour of the past does not push aside the present. Jobs are kept in memory: a
//! restart ends them, and what they have made due stays due.

mod job;
mod pace;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larkspur_store::{Delivery, DeliveryId, DeliveryQuery, LIMIT_MAX, Order, StoreError};
use larkspur_wire::EventId;
use tokio::time::timeout;

use crate::engine::Engine;
use job::Job;
use pace::Pace;

pub use job::{AgainError, JobId, JobInfo, JobKind, JobState, Past};

/// Jobs that run at once; more would only share the rate.
const RUNNING_MAX: usize = 4;
/// Jobs that are remembered after they ended.
const ENDED_MAX: usize = 100;
/// Deliveries that become due at once, at the most.
const BATCH_MAX: u32 = 100;
/// A tenth of a second's worth becomes due at once.
const BATCHES_PER_SECOND: u32 = 10;

/// What became of a wish to push again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Deliveries that are due now.
    pub resent: u64,
    /// Deliveries left as they are, since they are being pushed at this moment.
    pub under_way: u64,
}

/// The jobs, and the rate they share.
#[derive(Debug)]
pub(crate) struct Again {
    pace: Pace,
    batch: u32,
    jobs: Mutex<BTreeMap<JobId, Arc<Job>>>,
}

impl Again {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            pace: Pace::new(per_second),
            batch: (per_second / BATCHES_PER_SECOND).clamp(1, BATCH_MAX),
            jobs: Mutex::default(),
        }
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job(&self, id: JobId) -> Option<Arc<Job>> {
        self.jobs().get(&id).cloned()
    }

    /// Remembers a job, unless enough are running, and forgets those that ended long ago.
    fn add(&self, job: Job) -> Result<Arc<Job>, AgainError> {
        let mut jobs = self.jobs();
        let mut ended: Vec<_> = jobs.values().map(|job| job.info()).collect();
        ended.retain(|info| info.state != JobState::Running);
        if jobs.len() - ended.len() >= RUNNING_MAX {
            return Err(AgainError::TooMany { running: RUNNING_MAX });
        }
        ended.sort_by_key(|info| (info.ended_at, info.id));
        let too_many = (ended.len() + 1).saturating_sub(ENDED_MAX);
        for info in ended.drain(..too_many) {
            jobs.remove(&info.id);
        }
        let job = Arc::new(job);
        jobs.insert(job.info().id, Arc::clone(&job));
        Ok(job)
    }
}

impl Engine {
    /// Pushes one delivery again, whatever became of it. `None` when there is none of this id.
    pub async fn resend(&self, id: DeliveryId) -> Result<Option<Resent>, StoreError> {
        match self.store().delivery(id).await? {
            Some(row) => self.make_due(&[row], JobKind::Replay).await.map(Some),
            None => Ok(None),
        }
    }

    /// Pushes all deliveries of an event again. `None` when there is no such event.
    pub async fn resend_event(&self, id: &EventId) -> Result<Option<Resent>, StoreError> {
        if self.store().event(id).await?.is_none() {
            return Ok(None);
        }
        let mut sum = Resent::default();
        let mut query = DeliveryQuery {
            event_id: Some(id.clone()),
            limit: LIMIT_MAX,
            ..DeliveryQuery::default()
        };
        loop {
            let page = self.store().deliveries(&query).await?;
            query.after = page.rows.last().map(|row| row.id);
            let one = self.make_due(&page.rows, JobKind::Replay).await?;
            sum.resent += one.resent;
            sum.under_way += one.under_way;
            if page.next.is_none() {
                return Ok(Some(sum));
            }
        }
    }

    /// Starts a job that pushes a part of the past again.
    pub fn push_again(&self, kind: JobKind, mut past: Past) -> Result<JobInfo, AgainError> {
        let now = self.clock().now();
        past.to = past.to.min(now.saturating_add(Duration::from_millis(1)));
        if past.from >= past.to {
            return Err(AgainError::NoTime);
        }
        let id = JobId::mint(crate::random::bytes());
        let job = self.again().add(Job::new(id, kind, past, now, self.stopping()))?;
        let engine = self.clone();
        let running = Arc::clone(&job);
        self.spawn(async move { engine.run_job(&running).await });
        Ok(job.info())
    }

    /// All jobs that run or are remembered, the newest first.
    pub fn jobs(&self) -> Vec<JobInfo> {
        let mut jobs: Vec<_> = self.again().jobs().values().map(|job| job.info()).collect();
        jobs.sort_by_key(|info| std::cmp::Reverse((info.started_at, info.id)));
        jobs
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Option<JobInfo> {
        self.again().job(id).map(|job| job.info())
    }

    /// One job once it has ended, or after this long.
    pub async fn job_ended(&self, id: JobId, patience: Duration) -> Option<JobInfo> {
        let job = self.again().job(id)?;
        let _ = timeout(patience, job.ended()).await;
        Some(job.info())
    }

    /// Ends a job, and answers how far it came. One that has ended stays as it is.
    pub async fn cancel_job(&self, id: JobId) -> Option<JobInfo> {
        let job = self.again().job(id)?;
        job.cancel();
        job.ended().await;
        Some(job.info())
    }

    async fn make_due(&self, rows: &[Delivery], kind: JobKind) -> Result<Resent, StoreError> {
        let now = self.clock().now();
        let ids = rows.iter().map(|row| row.id).collect();
        let resent = match kind {
            JobKind::Replay => self.store().resend(ids, now).await?,
            // What was on its way when it was looked for may have arrived since.
            JobKind::Recovery => self.store().resend_undelivered(ids, now).await?,
        };
        self.flights().due(rows.iter().map(|row| (&row.app_id, now)), now);
        Ok(Resent {
            resent,
            under_way: (rows.len() as u64).saturating_sub(resent),
        })
    }

    async fn run_job(&self, job: &Job) {
        let walked = job.unless_cancelled(self.walk(job)).await;
        job.end(self.clock().now(), walked);
    }

    /// Goes through the part of the log, oldest first. A batch is read just before it becomes due, so that what was
    /// delivered meanwhile is not pushed because it had failed a while ago.
    async fn walk(&self, job: &Job) -> Result<(), StoreError> {
        let JobInfo { kind, past, .. } = job.info();
        let mut query = DeliveryQuery {
            event_type: past.event_type.clone(),
            app_id: past.app_id.clone(),
            state: past.state,
            undelivered: kind == JobKind::Recovery,
            accepted: past.accepted(),
            order: Order::OldestFirst,
            limit: self.again().batch,
            ..DeliveryQuery::default()
        };
        loop {
            self.again().pace.turn().await;
            let page = self.store().deliveries(&query).await?;
            let last = page.rows.last().map(|row| row.id);
            self.again().pace.spend(page.rows.len());
            let one = self.make_due(&page.rows, kind).await?;
            // A page that found nothing tells how far it looked.
            let next = page.next.and_then(|next| next.parse().ok());
            job.progress(one, last.or(next));
            match next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
