//! One app's lane: what it holds, what is due on disk, and how fast it may go.

use std::collections::VecDeque;
use std::time::Duration;

use larkspur_wire::TimestampMs;

use super::memory::{LANE_BYTES_MAX, Room};
use super::pace::Pace;
use super::rate::Rate;
use super::window::{Ending, Window};
use super::{Now, QUEUE_MAX};

/// After this many failures in a row an app is tried slowly.
const FAILURES_MAX: u32 = 100;
/// How many a second then.
const AILING_PER_SECOND: u32 = 20;

/// An app that fails so often in a row and is pushed one at a time has no queue where others need the memory.
const SHED_FAILURES: u32 = 3;

/// An app that takes so many in a quarter of a second is waited for in any case.
const BRISK: usize = 256;
/// A backlog on disk that is no older than this, in milliseconds, came of a moment's rush or rest, and is gone soon when
/// little is added to it.
const RUSH_MS: i64 = 10_000;

/// How much of an app's backlog may go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Pushes on their way at once, when the app takes them well.
    pub in_flight: usize,
    /// Pushes begun in a second.
    pub per_second: Option<u32>,
    /// Whether nothing is pushed.
    pub paused: bool,
}

/// Where the scheduler looks for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// There is nothing to claim, or no room.
    Nowhere,
    /// In the timeline.
    Due(TimestampMs),
    /// Among those whose pace must be kept.
    Paced(Duration),
    /// Among those that memory has no room for.
    Starved,
}

#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) limits: LaneLimits,
    pub(super) queue: VecDeque<(T, usize)>,
    in_flight: usize,
    /// Payloads of what is queued or in flight.
    bytes: usize,
    /// Places of deliveries that are being accepted or claimed.
    pub(super) reserved: usize,
    /// When the first row on disk is due.
    pub(super) next_due: Option<TimestampMs>,
    /// Due times heard of while a claim was on its way, which may not have seen them.
    pub(super) heard: Option<TimestampMs>,
    pub(super) claiming: bool,
    pub(super) listed: Listed,
    /// Nobody waits for room here.
    is_slow: bool,
    is_waited_for: bool,
    failures: u32,
    window: Window,
    taken: Rate,
    pace: Pace,
}

impl<T> Lane<T> {
    pub(super) fn new(limits: LaneLimits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            in_flight: 0,
            bytes: 0,
            reserved: 0,
            next_due: None,
            heard: None,
            claiming: false,
            listed: Listed::Nowhere,
            is_slow: false,
            is_waited_for: false,
            failures: 0,
            window: Window::new(),
            taken: Rate::default(),
            pace: Pace::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.in_flight + self.reserved + self.queue.len()
    }

    fn is_ailing(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    fn in_flight_max(&self) -> usize {
        match (self.limits.paused, self.is_ailing()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => self.window.size(self.limits.in_flight),
        }
    }

    /// What may be held where memory has this room. An app in trouble has no queue: it would not get shorter. One with a
    /// rate has none either, since what is held has its place in the rate already, and would go all at once.
    fn capacity(&self, room: Room) -> usize {
        let max = self.limits.in_flight;
        match room {
            Room::Nothing => 0,
            _ if self.limits.paused => 0,
            Room::One => 1,
            Room::Slots if self.hardly_goes() => 1,
            _ if self.is_ailing() || self.bytes >= LANE_BYTES_MAX => 1,
            _ if self.limits.per_second.is_some() => self.in_flight_max(),
            Room::Queues if !self.window.is_narrow(max) => max + QUEUE_MAX,
            Room::Queues | Room::Slots => max,
        }
    }

    pub(super) fn room(&self, room: Room) -> usize {
        self.capacity(room).saturating_sub(self.held())
    }

    /// Pushes begun in a second, and how many of them may come at once.
    fn rate(&self) -> Option<(u32, u32)> {
        match (self.is_ailing(), self.limits.per_second) {
            (true, limit) => Some((limit.map_or(AILING_PER_SECOND, |limit| limit.min(AILING_PER_SECOND)), 1)),
            (false, limit) => limit.map(|limit| (limit, limit)),
        }
    }

    /// How many the pace allows now.
    pub(super) fn allowed(&self, elapsed: Duration) -> usize {
        self.rate().map_or(usize::MAX, |rate| self.pace.allowed(rate, elapsed))
    }

    /// Uses up some of the pace, if there is enough.
    pub(super) fn take(&mut self, n: usize, elapsed: Duration) -> bool {
        let Some(rate) = self.rate() else { return true };
        let enough = self.pace.allowed(rate, elapsed) >= n;
        if enough {
            self.pace.take(rate, n, elapsed);
        }
        enough
    }

    pub(super) fn refund(&mut self, n: usize) {
        if let Some(rate) = self.rate() {
            self.pace.refund(rate, n);
        }
    }

    pub(super) fn heard_due(&mut self, at: TimestampMs) {
        let earlier = |known: Option<TimestampMs>| Some(known.map_or(at, |known| known.min(at)));
        self.next_due = earlier(self.next_due);
        self.heard = earlier(self.heard);
    }

    /// Takes a delivery; answers the one to be pushed now, which is the one that waits longest.
    pub(super) fn start_or_queue(&mut self, delivery: T, bytes: usize) -> Option<T> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.queue.is_empty() && self.has_slot() {
            self.began();
            return Some(delivery);
        }
        self.queue.push_back((delivery, bytes));
        self.start_next()
    }

    /// Answers what is to be pushed now: a wider window has one slot more.
    pub(super) fn ended(&mut self, bytes: usize, ending: Ending, elapsed: Duration) -> [Option<T>; 2] {
        self.bytes = self.bytes.saturating_sub(bytes);
        let limit = self.limits.in_flight;
        self.failures = match ending {
            Ending::Taken => 0,
            Ending::Refused | Ending::Strained => self.failures.saturating_add(1),
        };
        match ending {
            Ending::Taken => {
                self.window.widen(self.in_flight, limit);
                self.taken.took(elapsed);
                self.is_slow &= !self.is_brisk(elapsed);
            }
            Ending::Refused => {}
            Ending::Strained => self.window.narrow(limit),
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        [self.start_next(), self.start_next()]
    }

    /// Takes what is queued out of memory, with its bytes.
    pub(super) fn shed(&mut self) -> (Vec<T>, usize) {
        let bytes = self.queue.iter().map(|(_, bytes)| bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        (self.queue.drain(..).map(|(delivery, _)| delivery).collect(), bytes)
    }

    /// Whether it fails, and is pushed one at a time for that.
    fn hardly_goes(&self) -> bool {
        self.failures >= SHED_FAILURES && self.in_flight_max() <= 1
    }

    /// Whether its queue is better on disk: nothing of it goes soon, and others need the memory.
    pub(super) fn is_to_shed(&self, room: Room) -> bool {
        !self.queue.is_empty() && (self.limits.paused || (self.hardly_goes() && room != Room::Queues))
    }

    /// Whether one more may be pushed. Of what was being accepted as the app was paused, one still is.
    fn has_slot(&self) -> bool {
        self.in_flight < self.in_flight_max().max(1)
    }

    fn began(&mut self) {
        self.in_flight += 1;
        self.window.began(self.in_flight);
    }

    fn start_next(&mut self) -> Option<T> {
        if !self.has_slot() {
            return None;
        }
        let Some((next, _)) = self.queue.pop_front() else {
            self.is_slow = false;
            return None;
        };
        self.began();
        Some(next)
    }

    /// Forgets what the window was needed for long ago. To be asked before anything is pushed.
    pub(super) fn rest(&mut self, elapsed: Duration) {
        self.window.rest(self.in_flight, elapsed);
    }

    /// Whether rows on disk come before anything new.
    pub(super) fn is_behind(&self, now: Now) -> bool {
        self.claiming || self.next_due.is_some_and(|at| at <= now.clock)
    }

    /// Whether it takes what it gets so fast that waiting for it is worth it, although others waited in vain or it is
    /// behind.
    fn is_brisk(&self, elapsed: Duration) -> bool {
        self.taken.lately(elapsed) >= BRISK
    }

    /// Whether it takes so much of what it has within the time that a producer waits that it will have room by then.
    fn drains(&self, elapsed: Duration) -> bool {
        self.taken.lately(elapsed) >= (self.held().max(self.limits.in_flight) / 4).max(1)
    }

    /// Whether waiting for it is worth it. Where memory has no room for queues, it must take its share of what all take.
    fn is_worth_waiting(&self, room: Room, elapsed: Duration) -> bool {
        self.is_brisk(elapsed) || (room == Room::Slots && self.drains(elapsed))
    }

    /// Whether it will not be behind for long. What is claimed costs more than what is pushed at once, so that it might
    /// never catch up with producers that do not wait.
    fn is_catching_up(&self, room: Room, now: Now) -> bool {
        let oldest = self.next_due.unwrap_or(now.clock);
        self.is_worth_waiting(room, now.elapsed) && now.clock.0.saturating_sub(oldest.0) <= RUSH_MS
    }

    /// Whether room will come soon: the app takes what it gets, and so far nobody waited in vain.
    pub(super) fn wait_for_room(&mut self, room: Room, now: Now) -> bool {
        let is_well = !self.is_slow && self.failures == 0 && !self.limits.paused && self.rate().is_none();
        let in_time = match room {
            Room::Queues => !self.is_behind(now) || self.is_catching_up(room, now),
            Room::Slots | Room::One => self.is_catching_up(room, now),
            Room::Nothing => false,
        };
        let soon = is_well && in_time;
        self.is_waited_for |= soon;
        soon
    }

    /// Somebody waited for room in vain. Nobody is to do so any more, unless the app takes what it gets fast all the same.
    pub(super) fn waited_in_vain(&mut self, room: Room, now: Now) {
        self.is_slow |= !self.is_worth_waiting(room, now.elapsed);
    }

    /// Whether those who wait for room are to look now.
    pub(super) fn eases(&mut self, room: Room, now: Now) -> bool {
        let has_room = !self.is_behind(now) && self.has_room_for_a_batch(room);
        self.is_waited_for && has_room && std::mem::take(&mut self.is_waited_for)
    }

    pub(super) fn recovered(&mut self) {
        (self.failures, self.pace) = (0, Pace::default());
        self.window.reopen();
    }

    /// A lane that is nearly full is not worth a claim.
    fn has_room_for_a_batch(&self, room: Room) -> bool {
        self.room(room) >= (self.capacity(room) / 4).max(1)
    }

    /// Where to list it.
    pub(super) fn place(&self, room: Room, now: Now) -> Listed {
        let Some(due_at) = self.next_due.filter(|_| !self.claiming) else {
            return Listed::Nowhere;
        };
        if !self.has_room_for_a_batch(room) {
            let starved = self.has_room_for_a_batch(Room::Queues);
            return if starved { Listed::Starved } else { Listed::Nowhere };
        }
        if due_at > now.clock {
            return Listed::Due(due_at);
        }
        match self.rate().and_then(|rate| self.pace.next(rate, now.elapsed)) {
            Some(at) => Listed::Paced(at),
            None => Listed::Due(due_at),
        }
    }
}
