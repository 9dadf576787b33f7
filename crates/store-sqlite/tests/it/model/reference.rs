//! The queue as a list, told as plainly as possible.

use std::collections::BTreeMap;

use larkspur_store::{
    Accepted, Attempt, Backlog, Claim, Claimed, Delivery, DeliveryId, DeliveryState, EventRow, NewEvent, Settlement,
    Start, Verdict, WAITING, Want,
};
use larkspur_wire::{AppId, EventId, TimestampMs};

struct Row {
    delivery: Delivery,
    leased: bool,
    key: Option<String>,
    attempts: Vec<Attempt>,
}

impl Row {
    fn is_pending(&self) -> bool {
        self.delivery.state == DeliveryState::Pending
    }

    /// Whether both are of one app and key.
    fn is_with(&self, app_id: &AppId, key: Option<&String>) -> bool {
        key.is_some() && self.delivery.app_id == *app_id && self.key.as_ref() == key
    }
}

#[derive(Default)]
pub(super) struct Reference {
    events: BTreeMap<EventId, (EventRow, [u8; 32])>,
    /// In the order they were accepted.
    rows: Vec<Row>,
}

impl Reference {
    pub(super) fn accept(&mut self, event: &NewEvent) -> Accepted {
        if let Some((known, digest)) = self.events.get(&event.id) {
            if *digest != event.digest || known.payload != event.payload {
                return Accepted::Conflict;
            }
            let of_event = self.rows.iter().filter(|row| row.delivery.event_id == event.id);
            let known = of_event.map(|row| (row.delivery.id, row.delivery.app_id.clone()));
            return Accepted::Repeated(known.collect());
        }
        if event.known_only {
            return Accepted::Unknown;
        }
        let row = EventRow {
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            tenant_key: event.tenant_key.clone(),
            create_time: event.create_time,
            accepted_at: event.accepted_at,
            payload: event.payload.clone(),
        };
        self.events.insert(event.id.clone(), (row, event.digest));
        for new in &event.deliveries {
            let (leased, key) = match &new.start {
                Start::Leased => (true, None),
                Start::Due => (false, None),
                Start::InOrder { key } => (false, Some(key.clone())),
            };
            let older = |row: &Row| row.is_pending() && row.is_with(&new.app_id, key.as_ref());
            let due_at = if leased {
                event.lease_until
            } else if self.rows.iter().any(older) {
                WAITING
            } else {
                event.accepted_at
            };
            let delivery = Delivery {
                id: new.id,
                event_id: event.id.clone(),
                app_id: new.app_id.clone(),
                withheld: new.withheld.clone(),
                state: DeliveryState::Pending,
                attempts: 0,
                due_at,
                generation: u32::from(leased),
                in_order: key.is_some(),
            };
            self.rows.push(Row {
                delivery,
                leased,
                key,
                attempts: Vec::new(),
            });
        }
        Accepted::New
    }

    pub(super) fn claim(&mut self, want: &Want, now: TimestampMs, until: TimestampMs) -> Claimed {
        let of_app = |row: &&mut Row| row.is_pending() && row.delivery.app_id == want.app_id;
        let mut due: Vec<_> = self.rows.iter_mut().filter(of_app).collect();
        // A stable sort: of those due at the same time the one accepted first.
        due.sort_by_key(|row| row.delivery.due_at);
        let due = due.into_iter().filter(|row| row.delivery.due_at <= now);
        let mut claims = Vec::new();
        for row in due.take(want.limit as usize) {
            row.leased = true;
            row.delivery.due_at = until;
            row.delivery.generation += 1;
            claims.push(Claim {
                event: self.events[&row.delivery.event_id].0.clone(),
                delivery: row.delivery.clone(),
            });
        }
        Claimed {
            app_id: want.app_id.clone(),
            claims,
            next_due: self.next_due(&want.app_id),
        }
    }

    fn next_due(&self, app_id: &AppId) -> Option<TimestampMs> {
        let of_app = self
            .rows
            .iter()
            .filter(|row| row.is_pending() && row.delivery.app_id == *app_id);
        of_app.map(|row| row.delivery.due_at).min().filter(|at| *at != WAITING)
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) {
        let Some(row) = self.rows.iter_mut().find(|row| row.delivery.id == settlement.delivery) else {
            return;
        };
        row.attempts.push(settlement.attempt.clone());
        if !row.is_pending() || row.delivery.generation != settlement.generation {
            return;
        }
        row.leased = false;
        row.delivery.attempts = settlement.attempt.number;
        match settlement.verdict {
            Verdict::Again(at) => return row.delivery.due_at = at,
            Verdict::Delivered => row.delivery.state = DeliveryState::Delivered,
            Verdict::Dead => row.delivery.state = DeliveryState::Dead,
        }
        let (app_id, key) = (row.delivery.app_id.clone(), row.key.clone());
        let next = |row: &&mut Row| row.is_pending() && row.is_with(&app_id, key.as_ref());
        if let Some(next) = self.rows.iter_mut().find(next)
            && next.delivery.due_at == WAITING
        {
            next.delivery.due_at = settlement.attempt.started_at;
        }
    }

    pub(super) fn resend(&mut self, ids: &[DeliveryId], due_at: TimestampMs) -> u64 {
        let mut n_resent = 0;
        for id in ids {
            let resendable = |row: &Row| {
                let waits = row.is_pending() && row.delivery.due_at == WAITING;
                row.delivery.id == *id && !row.leased && !waits
            };
            let Some(at) = self.rows.iter().position(resendable) else {
                continue;
            };
            let (app_id, key) = (self.rows[at].delivery.app_id.clone(), self.rows[at].key.clone());
            let of_key = |row: &Row| row.is_pending() && row.is_with(&app_id, key.as_ref());
            let waits = self.rows[..at].iter().any(of_key);
            for later in self.rows[at + 1..].iter_mut().filter(|row| of_key(row) && !row.leased) {
                later.delivery.due_at = WAITING;
            }
            let row = &mut self.rows[at];
            row.delivery.state = DeliveryState::Pending;
            row.delivery.due_at = if waits { WAITING } else { due_at };
            row.delivery.generation += 1;
            n_resent += 1;
        }
        n_resent
    }

    pub(super) fn delete_app(&mut self, app_id: &AppId) {
        let pending = |row: &&mut Row| row.is_pending() && row.delivery.app_id == *app_id;
        for row in self.rows.iter_mut().filter(pending) {
            row.delivery.state = DeliveryState::Dead;
            row.leased = false;
        }
    }

    pub(super) fn release_leases(&mut self, now: TimestampMs) -> u64 {
        let mut n_released = 0;
        for row in self.rows.iter_mut().filter(|row| row.is_pending() && row.leased) {
            row.leased = false;
            row.delivery.due_at = now;
            n_released += 1;
        }
        n_released
    }

    pub(super) fn depth(&self) -> (u64, u64) {
        let count = |state| self.rows.iter().filter(|row| row.delivery.state == state).count() as u64;
        (count(DeliveryState::Pending), count(DeliveryState::Dead))
    }

    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let mut counts: BTreeMap<&AppId, u64> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.is_pending()) {
            *counts.entry(&row.delivery.app_id).or_default() += 1;
        }
        let backlog = |(app_id, pending): (&AppId, u64)| Backlog {
            app_id: app_id.clone(),
            pending,
            next_due: self.next_due(app_id),
        };
        counts.into_iter().map(backlog).collect()
    }

    /// Every delivery, in order of id.
    pub(super) fn rows(&self) -> Vec<Delivery> {
        let mut rows: Vec<_> = self.rows.iter().map(|row| row.delivery.clone()).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub(super) fn row(&self, id: DeliveryId) -> Option<&Delivery> {
        self.rows.iter().map(|row| &row.delivery).find(|row| row.id == id)
    }

    /// The attempts of one delivery, in order of number.
    pub(super) fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        let row = self.rows.iter().find(|row| row.delivery.id == id);
        let mut attempts = row.map(|row| row.attempts.clone()).unwrap_or_default();
        attempts.sort_by_key(|attempt| attempt.number);
        attempts
    }

    /// Any delivery there is.
    pub(super) fn choose(&self, which: usize) -> Option<DeliveryId> {
        let which = which.checked_rem(self.rows.len())?;
        Some(self.rows[which].delivery.id)
    }

    /// Of those of one app and key that are pending, one at least can go.
    pub(super) fn assert_nobody_waits_for_ever(&self) {
        for row in self
            .rows
            .iter()
            .filter(|row| row.is_pending() && row.delivery.due_at == WAITING)
        {
            let goes = |other: &Row| other.is_pending() && other.delivery.due_at != WAITING;
            let with = |other: &&Row| other.is_with(&row.delivery.app_id, row.key.as_ref());
            assert!(
                self.rows.iter().filter(with).any(goes),
                "{:?} waits for nothing",
                row.delivery
            );
        }
    }
}
