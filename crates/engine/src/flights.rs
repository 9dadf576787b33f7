//! Deliveries that this node has leased: each is in memory once, and each app's are pushed a few at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use foldhash::HashMap;
use larkspur_platform::{LaneLimits, Now, Place, Scheduler};
use larkspur_store::{App, DeliveryId};
use larkspur_wire::{AppId, TimestampMs};
use tokio::sync::Notify;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::leased::Leased;

/// The scheduler, the leases, and the bell that is rung when there may be something to claim.
#[derive(Debug)]
pub(crate) struct Flights {
    limits: LaneLimits,
    scheduler: Mutex<Scheduler<Leased>>,
    /// The generation under which each delivery in memory is leased now.
    generations: Mutex<HashMap<DeliveryId, u32>>,
    /// Held while leases are claimed or settled: a lease that is renewed while it is being settled would be settled under
    /// its old generation, and its delivery pushed again.
    exchange: tokio::sync::Mutex<()>,
    due: Notify,
    eased: Notify,
    started: Instant,
}

impl Flights {
    pub(crate) fn new(in_flight_per_app: usize) -> Self {
        let limits = LaneLimits {
            in_flight: in_flight_per_app,
            per_second: None,
            paused: false,
        };
        Self {
            limits,
            scheduler: Mutex::new(Scheduler::new(limits)),
            generations: Mutex::default(),
            exchange: tokio::sync::Mutex::default(),
            due: Notify::new(),
            eased: Notify::new(),
            started: Instant::now(),
        }
    }

    /// The time for the scheduler.
    pub(crate) fn now(&self, clock: TimestampMs) -> Now {
        Now {
            clock,
            elapsed: self.started.elapsed(),
        }
    }

    /// The state of every lane. Held for moments only, never across a wait.
    pub(crate) fn scheduler(&self) -> MutexGuard<'_, Scheduler<Leased>> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a claim found, as in [`Scheduler::claimed`]; whoever claims needs no ringing.
    pub(crate) fn claimed(
        &self,
        app: &AppId,
        wanted: usize,
        found: Vec<(Leased, usize)>,
        next_due: Option<TimestampMs>,
        now: Now,
    ) -> Vec<Leased> {
        let mut scheduler = self.scheduler();
        let start = scheduler.claimed(app, wanted, found, next_due, now);
        self.follow(scheduler);
        start
    }

    /// Does what a change asks for: forgets what memory let go of, and wakes who waits for room.
    fn follow(&self, mut scheduler: MutexGuard<'_, Scheduler<Leased>>) {
        let (eases, shed) = (scheduler.eases(), scheduler.shed());
        drop(scheduler);
        for leased in shed {
            self.leave(leased.id);
        }
        if eases {
            self.eased.notify_waiters();
        }
    }

    /// Changes lanes, and rings when something is to be claimed at another time than was known.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Scheduler<Leased>) -> T) -> T {
        let mut scheduler = self.scheduler();
        let before = scheduler.wake();
        let changed = change(&mut scheduler);
        let is_news = scheduler.wake() != before;
        self.follow(scheduler);
        if is_news {
            self.due.notify_one();
        }
        changed
    }

    /// Takes over what the app says about its own limits.
    pub(crate) fn configure(&self, app: &App, clock: TimestampMs) {
        let of_app = &app.delivery;
        let limits = LaneLimits {
            in_flight: of_app
                .in_flight_max
                .map_or(self.limits.in_flight, |max| max.get() as usize),
            per_second: of_app.per_second_max.map(std::num::NonZeroU32::get),
            paused: of_app.paused,
        };
        let now = self.now(clock);
        self.change(|lanes| lanes.configure(&app.id, limits, now));
    }

    /// Forgets an app's lane; what waited in it is dead on disk.
    pub(crate) fn remove(&self, app: &AppId, clock: TimestampMs) {
        let now = self.now(clock);
        for leased in self.change(|lanes| lanes.remove(app, now)) {
            self.leave(leased.id);
        }
    }

    /// Rows of these apps are due at these times, as the store has them now.
    pub(crate) fn due<'a>(&self, rows: impl IntoIterator<Item = (&'a AppId, TimestampMs)>, clock: TimestampMs) {
        let now = self.now(clock);
        self.change(|lanes| rows.into_iter().for_each(|(app, at)| lanes.due(app, at, now)));
    }

    /// Whether the delivery may take off. One that is in memory already may not; its lease has just been renewed by
    /// whoever claimed it again, so its settlement will use the new generation.
    pub(crate) fn lease(&self, delivery: DeliveryId, generation: u32) -> bool {
        let mut is_new = true;
        let renew = |known: &mut u32| {
            *known = generation.max(*known);
            is_new = false;
        };
        self.generations()
            .entry(delivery)
            .and_modify(renew)
            .or_insert(generation);
        is_new
    }

    /// The generation to settle under.
    pub(crate) fn generation(&self, delivery: DeliveryId) -> Option<u32> {
        self.generations().get(&delivery).copied()
    }

    /// The delivery leaves memory: it is settled on disk, or its push broke off.
    pub(crate) fn leave(&self, delivery: DeliveryId) {
        self.generations().remove(&delivery);
    }

    /// Waits until no lease is being claimed or settled, and keeps it so.
    pub(crate) async fn exchange(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.exchange.lock().await
    }

    /// How many deliveries are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.generations().len()
    }

    /// Returns when something is to be claimed at another time than was known.
    pub(crate) async fn rung(&self) {
        self.due.notified().await;
    }

    /// A place for a new delivery of an app that takes what it gets, waiting for one no longer than until `deadline`.
    /// Answers whether there is one.
    pub(crate) async fn place(&self, app: &AppId, clock: TimestampMs, deadline: Deadline) -> bool {
        loop {
            let eased = self.eased.notified();
            let mut eased = std::pin::pin!(eased);
            // From here on, or what eases between the question and the wait would be missed.
            eased.as_mut().enable();
            match self.scheduler().reserve(app, self.now(clock)) {
                Place::Reserved => return true,
                // Nobody has waited for this app when the time went by for another.
                Place::Soon if Deadline::now() < deadline => {}
                Place::OnDisk | Place::Soon => return false,
            }
            if timeout_at(deadline, eased).await.is_err() {
                self.scheduler().waited_in_vain(app, self.now(clock));
                return false;
            }
        }
    }

    /// When a moment of the scheduler's own time comes.
    pub(crate) fn instant(&self, elapsed: std::time::Duration) -> Instant {
        self.started + elapsed
    }

    fn generations(&self) -> MutexGuard<'_, HashMap<DeliveryId, u32>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_in_memory_does_not_take_off_again_and_settles_under_its_newest_lease() {
        let flights = Flights::new(1);
        assert!(flights.lease(DeliveryId(1), 1));
        assert!(!flights.lease(DeliveryId(1), 2));
        assert_eq!(flights.generation(DeliveryId(1)), Some(2));
        flights.leave(DeliveryId(1));
        assert!(flights.lease(DeliveryId(1), 3));
    }
}
