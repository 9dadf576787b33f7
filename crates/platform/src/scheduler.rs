//! Who may push how much now: a state machine over the apps, told the time.
//!
//! Each app has a lane. What fits is held in memory and pushed, a few at once; what does not fit stays a due row on
//! disk and is claimed when there is room. One app's trouble uses up its own lane only: a full lane of one never makes
//! another wait, and an app that keeps failing is tried slowly until it takes something again.

mod lane;
mod memory;
mod pace;
mod rate;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeSet;
use std::time::Duration;

use foldhash::HashMap;
use larkspur_wire::{AppId, TimestampMs};

pub use lane::LaneLimits;
pub use window::Ending;

use lane::{Lane, Listed};
use memory::Memory;

/// How long a delivery is leased before another claim may take it: well beyond a push and its wait for a slot.
pub const LEASE: Duration = Duration::from_mins(1);
/// Deliveries held in memory beyond those being pushed, for one app.
const QUEUE_MAX: usize = 1_000;
/// One round claims this many rows for all apps together, so that it does not hold up what is being accepted.
const CLAIMS_MAX: usize = 512;

/// The time, twice: schedules go by the platform's clock, pace by time that nobody can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the clock shows.
    pub clock: TimestampMs,
    /// Since the platform started.
    pub elapsed: Duration,
}

/// Whether a new delivery may be pushed from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has its place, until it enters or gives the place back.
    Reserved,
    /// Its app takes what it gets, only not as fast as it comes to it or to all apps: [`Scheduler::eases`] says when to ask
    /// again.
    Soon,
    /// It belongs on disk, due at once.
    OnDisk,
}

/// When there is something to claim next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When the clock shows this.
    pub clock: Option<TimestampMs>,
    /// When this has elapsed since the platform started.
    pub elapsed: Option<Duration>,
}

/// The lanes of all apps; `T` is a delivery that this node has leased.
#[derive(Debug)]
pub struct Scheduler<T> {
    lanes: HashMap<AppId, Lane<T>>,
    /// Limits of apps without limits of their own.
    limits: LaneLimits,
    /// Lanes with room, by when their first row on disk is due.
    timeline: BTreeSet<(TimestampMs, AppId)>,
    /// Lanes with room and due rows, by when their pace allows the next.
    paced: BTreeSet<(Duration, AppId)>,
    /// Lanes that have room themselves, but memory has none for them.
    starved: BTreeSet<AppId>,
    memory: Memory,
    eases: bool,
    /// Taken out of memory, and not told of yet.
    shed: Vec<T>,
}

impl<T> Scheduler<T> {
    /// A scheduler without any delivery.
    pub fn new(limits: LaneLimits) -> Self {
        Self {
            lanes: HashMap::default(),
            limits,
            timeline: BTreeSet::new(),
            paced: BTreeSet::new(),
            starved: BTreeSet::new(),
            memory: Memory::default(),
            eases: false,
            shed: Vec::new(),
        }
    }

    /// Gives an app limits of its own.
    pub fn configure(&mut self, app: &AppId, limits: LaneLimits, now: Now) {
        self.change(app, now, |lane| lane.limits = limits);
    }

    /// Forgets an app. Answers what waited in its lane; what is being pushed or claimed still ends, and is counted until
    /// then.
    pub fn remove(&mut self, app: &AppId, now: Now) -> Vec<T> {
        let Some(mut lane) = self.lanes.remove(app) else {
            return Vec::new();
        };
        self.unlist(app, &mut lane);
        let (queued, bytes) = lane.shed();
        self.memory.release(queued.len(), bytes);
        if lane.held() > 0 {
            lane.next_due = None;
            self.lanes.insert(app.clone(), lane);
        }
        self.feed(now);
        queued
    }

    /// Asks for a place for a new delivery of the app.
    pub fn reserve(&mut self, app: &AppId, now: Now) -> Place {
        let room = self.memory.room();
        let limits = self.limits;
        let lane = self.lanes.entry(app.clone()).or_insert_with(|| Lane::new(limits));
        // Nothing overtakes what is due on disk.
        if lane.is_behind(now) || lane.room(room) == 0 {
            let soon = lane.wait_for_room(room, now);
            return if soon { Place::Soon } else { Place::OnDisk };
        }
        if !lane.take(1, now.elapsed) {
            return Place::OnDisk;
        }
        lane.rest(now.elapsed);
        lane.reserved += 1;
        self.memory.hold(1);
        Place::Reserved
    }

    /// Somebody waited for room in vain. Unless the app takes what it gets fast all the same, nobody is to wait for it any
    /// more until it does, or has taken everything that memory holds for it.
    pub fn waited_in_vain(&mut self, app: &AppId, now: Now) {
        let room = self.memory.room();
        if let Some(lane) = self.lanes.get_mut(app) {
            lane.waited_in_vain(room, now);
        }
    }

    /// Whether an app that somebody waits for has got room since this was asked last.
    pub fn eases(&mut self) -> bool {
        std::mem::take(&mut self.eases)
    }

    /// What was taken out of memory since this was asked last, because its app is paused, or in trouble while memory is
    /// short. It is leased still, and claimed again when its lease ends.
    pub fn shed(&mut self) -> Vec<T> {
        std::mem::take(&mut self.shed)
    }

    /// Gives places back that were reserved and are not needed.
    pub fn give_back(&mut self, app: &AppId, now: Now) {
        self.memory.release(1, 0);
        self.change(app, now, |lane| {
            lane.reserved = lane.reserved.saturating_sub(1);
            lane.refund(1);
        });
        self.feed(now);
    }

    /// A delivery takes the place reserved for it. Answers it back when it is to be pushed now.
    pub fn enter(&mut self, app: &AppId, delivery: T, bytes: usize) -> Option<T> {
        self.memory.fill(bytes);
        let limits = self.limits;
        let lane = self.lanes.entry(app.clone()).or_insert_with(|| Lane::new(limits));
        lane.reserved = lane.reserved.saturating_sub(1);
        lane.start_or_queue(delivery, bytes)
    }

    /// A row of the app is due at a time, or may be.
    pub fn due(&mut self, app: &AppId, at: TimestampMs, now: Now) {
        self.change(app, now, |lane| lane.heard_due(at));
    }

    /// What to claim now, for each app at most so many; the places are reserved until [`claimed`](Self::claimed).
    pub fn claims(&mut self, now: Now) -> Vec<(AppId, usize)> {
        let due = self.timeline.iter().take_while(|(at, _)| *at <= now.clock);
        let allowed = self.paced.iter().take_while(|(at, _)| *at <= now.elapsed);
        let apps = due.map(|(_, app)| app).chain(allowed.map(|(_, app)| app));
        let apps: Vec<AppId> = apps.take(CLAIMS_MAX).cloned().collect();
        let share = (CLAIMS_MAX / apps.len().max(1)).max(1);
        let mut claims = Vec::with_capacity(apps.len());
        for app in apps {
            let room = self.memory.room();
            let Some(mut lane) = self.lanes.remove(&app) else {
                continue;
            };
            self.unlist(&app, &mut lane);
            let wanted = lane.room(room).min(share).min(lane.allowed(now.elapsed));
            if wanted > 0 && lane.take(wanted, now.elapsed) {
                lane.rest(now.elapsed);
                lane.reserved += wanted;
                self.memory.hold(wanted);
                (lane.claiming, lane.heard) = (true, None);
                claims.push((app.clone(), wanted));
            }
            self.list(&app, &mut lane, now);
            self.lanes.insert(app, lane);
        }
        claims
    }

    /// What a claim found, with its bytes, and when the app's next row is due. Answers what is to be pushed now.
    pub fn claimed(
        &mut self,
        app: &AppId,
        wanted: usize,
        found: Vec<(T, usize)>,
        next_due: Option<TimestampMs>,
        now: Now,
    ) -> Vec<T> {
        let unused = wanted.saturating_sub(found.len());
        self.memory.release(unused, 0);
        self.memory.fill(found.iter().map(|(_, bytes)| bytes).sum());
        let mut start = Vec::new();
        self.change(app, now, |lane| {
            lane.reserved = lane.reserved.saturating_sub(wanted);
            lane.refund(unused);
            lane.next_due = [next_due, lane.heard].into_iter().flatten().min();
            lane.claiming = false;
            start = found
                .into_iter()
                .filter_map(|(delivery, bytes)| lane.start_or_queue(delivery, bytes))
                .collect();
        });
        self.feed(now);
        start
    }

    /// A push ended. Answers the app's next deliveries, to be pushed now: one for its slot, and one more when the app can
    /// take more.
    pub fn ended(&mut self, app: &AppId, bytes: usize, ending: Ending, now: Now) -> [Option<T>; 2] {
        self.memory.release(1, bytes);
        let mut next = [None, None];
        self.change(app, now, |lane| {
            next = lane.ended(bytes, ending, now.elapsed);
        });
        self.feed(now);
        next
    }

    /// Lets the lanes that memory had no room for claim again, once it has more, and whoever waits look.
    fn feed(&mut self, now: Now) {
        if self.memory.eases() {
            self.eases = true;
            for app in std::mem::take(&mut self.starved) {
                self.change(&app, now, |lane| lane.listed = Listed::Nowhere);
            }
        }
    }

    /// An app that was failing may be well again, for example because it has connected.
    pub fn recovered(&mut self, app: &AppId, now: Now) {
        self.change(app, now, Lane::recovered);
    }

    /// When to ask for claims again.
    pub fn wake(&self) -> Wake {
        Wake {
            clock: self.timeline.first().map(|(at, _)| *at),
            elapsed: self.paced.first().map(|(at, _)| *at),
        }
    }

    /// Changes a lane, lists it anew, and sees whether it has got room that somebody waits for.
    fn change(&mut self, app: &AppId, now: Now, change: impl FnOnce(&mut Lane<T>)) {
        let (app, mut lane) = match self.lanes.remove_entry(app) {
            Some(known) => known,
            None => (app.clone(), Lane::new(self.limits)),
        };
        change(&mut lane);
        if lane.is_to_shed(self.memory.room()) {
            let (queued, bytes) = lane.shed();
            self.memory.release(queued.len(), bytes);
            self.shed.extend(queued);
            lane.heard_due(now.clock.saturating_add(LEASE));
        }
        self.eases |= lane.eases(self.memory.room(), now);
        self.unlist(&app, &mut lane);
        self.list(&app, &mut lane, now);
        self.lanes.insert(app, lane);
    }

    fn unlist(&mut self, app: &AppId, lane: &mut Lane<T>) {
        match std::mem::replace(&mut lane.listed, Listed::Nowhere) {
            Listed::Nowhere => {}
            Listed::Due(at) => drop(self.timeline.remove(&(at, app.clone()))),
            Listed::Paced(at) => drop(self.paced.remove(&(at, app.clone()))),
            Listed::Starved => drop(self.starved.remove(app)),
        }
    }

    fn list(&mut self, app: &AppId, lane: &mut Lane<T>, now: Now) {
        lane.listed = lane.place(self.memory.room(), now);
        match lane.listed {
            Listed::Nowhere => {}
            Listed::Due(at) => drop(self.timeline.insert((at, app.clone()))),
            Listed::Paced(at) => drop(self.paced.insert((at, app.clone()))),
            Listed::Starved => drop(self.starved.insert(app.clone())),
        }
    }
}
