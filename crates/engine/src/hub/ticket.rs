//! Tickets: the right to open one connection, handed out in a URL and used once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use larkspur_wire::{AppId, Secret};
use tokio::time::Instant;

use super::SessionId;

/// Tickets handed out within one lifetime, over all apps; each takes some 300 bytes.
const ISSUED_MAX: usize = 50_000;
/// Unused tickets of one app, so that a client in a loop uses up its own share only.
const UNUSED_PER_APP_MAX: usize = 1_000;

/// What a ticket allows: one connection of this app, under this id.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) app_id: AppId,
    pub(super) session_id: SessionId,
    pub(super) access_key: Secret,
}

/// Tickets that were handed out and not used yet.
#[derive(Debug)]
pub(super) struct Tickets {
    ttl: Duration,
    unused: HashMap<String, Grant>,
    unused_per_app: HashMap<AppId, usize>,
    /// Every ticket by the time at which it expires, used or not; all live equally long, so the first expires first.
    issued: VecDeque<(Instant, String)>,
}

/// Too many tickets are out; some expire soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Tickets {
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            unused: HashMap::new(),
            unused_per_app: HashMap::new(),
            issued: VecDeque::new(),
        }
    }

    /// Remembers a ticket until it is used or expires.
    pub(super) fn issue(&mut self, ticket: String, grant: Grant, now: Instant) -> Result<(), TooMany> {
        self.forget_expired(now);
        let of_app = self.unused_per_app.get(&grant.app_id).copied().unwrap_or_default();
        if self.issued.len() >= ISSUED_MAX || of_app >= UNUSED_PER_APP_MAX {
            return Err(TooMany);
        }
        self.unused_per_app.insert(grant.app_id.clone(), of_app + 1);
        self.issued.push_back((now + self.ttl, ticket.clone()));
        self.unused.insert(ticket, grant);
        Ok(())
    }

    /// Uses a ticket up; `None` when it is unknown, used or expired.
    pub(super) fn take(&mut self, ticket: &str, now: Instant) -> Option<Grant> {
        self.forget_expired(now);
        self.remove(ticket)
    }

    /// Takes back the tickets of an app.
    pub(super) fn revoke(&mut self, app: &AppId) {
        self.unused.retain(|_, grant| grant.app_id != *app);
        self.unused_per_app.remove(app);
    }

    fn forget_expired(&mut self, now: Instant) {
        while let Some((_, ticket)) = self.issued.pop_front_if(|(expires, _)| *expires <= now) {
            self.remove(&ticket);
        }
    }

    fn remove(&mut self, ticket: &str) -> Option<Grant> {
        let grant = self.unused.remove(ticket)?;
        if let Some(of_app) = self.unused_per_app.get_mut(&grant.app_id) {
            *of_app -= 1;
            if *of_app == 0 {
                self.unused_per_app.remove(&grant.app_id);
            }
        }
        Some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_mins(1);

    fn grant(app: u64) -> Grant {
        Grant {
            app_id: AppId::mint(app.to_be_bytes()),
            session_id: SessionId(7),
            access_key: Secret::from("key"),
        }
    }

    #[test]
    fn a_ticket_is_used_once() {
        let (mut tickets, now) = (Tickets::new(TTL), Instant::now());
        tickets.issue("t".to_owned(), grant(1), now).unwrap();
        assert_eq!(tickets.take("t", now).unwrap().session_id, SessionId(7));
        assert!(tickets.take("t", now).is_none());
        assert!(tickets.take("never issued", now).is_none());
    }

    #[test]
    fn a_ticket_expires() {
        let (mut tickets, now) = (Tickets::new(TTL), Instant::now());
        tickets.issue("early".to_owned(), grant(1), now).unwrap();
        tickets
            .issue("late".to_owned(), grant(1), now + Duration::from_secs(1))
            .unwrap();
        assert!(tickets.take("early", now + TTL).is_none());
        assert!(tickets.take("late", now + TTL).is_some());
    }

    #[test]
    fn an_apps_tickets_can_be_taken_back() {
        let (mut tickets, now) = (Tickets::new(TTL), Instant::now());
        tickets.issue("t".to_owned(), grant(1), now).unwrap();
        tickets.issue("u".to_owned(), grant(2), now).unwrap();
        tickets.revoke(&grant(1).app_id);
        assert!(tickets.take("t", now).is_none());
        assert!(tickets.take("u", now).is_some());
    }

    #[test]
    fn one_apps_tickets_are_bounded_and_leave_room_for_others() {
        let (mut tickets, now) = (Tickets::new(TTL), Instant::now());
        for n in 0..UNUSED_PER_APP_MAX {
            tickets.issue(n.to_string(), grant(1), now).unwrap();
        }
        assert_eq!(tickets.issue("one more".to_owned(), grant(1), now), Err(TooMany));
        tickets.issue("another's".to_owned(), grant(2), now).unwrap();
        tickets.take("0", now).unwrap();
        tickets.issue("instead".to_owned(), grant(1), now).unwrap();
        tickets.issue("later".to_owned(), grant(1), now + TTL).unwrap();
    }

    #[test]
    fn all_tickets_together_are_bounded() {
        let (mut tickets, now) = (Tickets::new(TTL), Instant::now());
        for n in 0..ISSUED_MAX {
            tickets.issue(n.to_string(), grant(n as u64), now).unwrap();
        }
        assert_eq!(tickets.issue("one more".to_owned(), grant(0), now), Err(TooMany));
        tickets.issue("later".to_owned(), grant(0), now + TTL).unwrap();
        assert!(tickets.unused.len() == 1 && tickets.unused_per_app.len() == 1 && tickets.issued.len() == 1);
    }
}
