//! Access tokens and app tickets, which prove themselves: nothing about them is stored.
//!
//! A token names its app and tenant and carries an HMAC under the App Secret, so that resetting the secret ends all of
//! them. Time is cut into slots of 90 minutes and a token lives for two hours from the start of its slot: asking again
//! in the same slot answers the same token, which has at least 30 minutes left, as Feishu promises.
//! See <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>.

use hmac::{Hmac, KeyInit, Mac};
use larkspur_store::App;
use larkspur_wire::{AppId, Secret, TenantKey, TimestampMs, hex};
use sha2::{Digest, Sha256};

/// A token stays the same for this long, so that the oldest one handed out has 30 minutes left.
const SLOT_MS: i64 = 90 * 60 * 1000;
/// Feishu's tokens live for at most two hours.
const LIFETIME_MS: i64 = 120 * 60 * 1000;
/// Tickets are pushed every hour.
const TICKET_SLOT_MS: i64 = 60 * 60 * 1000;
/// The Go and Java SDKs keep a ticket for 12 hours.
const TICKET_SLOTS_VALID: i64 = 13;
/// Longer text is no token of ours.
const TOKEN_BYTES_MAX: usize = 512;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// The app itself (`app_access_token`).
    App(AppId),
    /// The app within one tenant (`tenant_access_token`).
    Tenant(AppId, TenantKey),
}

/// A token and how long it has to live.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its text.
    pub secret: Secret,
    /// Seconds it still lives.
    pub expires_in_seconds: i64,
}

/// Issues the token of this slot.
pub fn issue(app: &App, bearer: &Bearer, now: TimestampMs) -> Token {
    let slot = now.0.div_euclid(SLOT_MS);
    let expires_in_seconds = (slot * SLOT_MS + LIFETIME_MS - now.0) / 1000;
    Token {
        secret: Secret::from(text(app, bearer, slot)),
        expires_in_seconds,
    }
}

/// Whom a token speaks for, or `None` when it is no token of the app, or has expired.
///
/// [`app_of`] tells which app to ask.
pub fn verify(app: &App, token: &str, now: TimestampMs) -> Option<Bearer> {
    let (app_id, slot, tenant) = parts(token)?;
    let bearer = match tenant {
        None => Bearer::App(app_id),
        Some(tenant) => Bearer::Tenant(app_id, tenant.parse().ok()?),
    };
    let age = now.0.checked_sub(slot.checked_mul(SLOT_MS)?)?;
    let genuine = Secret::from(text(app, &bearer, slot)).matches(token);
    (genuine && (0..LIFETIME_MS).contains(&age)).then_some(bearer)
}

/// The app that a token claims to speak for; not proven.
pub fn app_of(token: &str) -> Option<AppId> {
    parts(token).map(|(app_id, ..)| app_id)
}

fn parts(token: &str) -> Option<(AppId, i64, Option<&str>)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (prefix, rest) = token.split_once('-')?;
    let mut parts = rest.splitn(4, '.');
    let (app_id, slot, _mac, tenant) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let fits = matches!((prefix, tenant), ("a", None) | ("t", Some(_)));
    fits.then_some((app_id.parse().ok()?, i64::from_str_radix(slot, 16).ok()?, tenant))
}

fn text(app: &App, bearer: &Bearer, slot: i64) -> String {
    let (prefix, app_id, tenant) = match bearer {
        Bearer::App(app_id) => ("a", app_id, String::new()),
        Bearer::Tenant(app_id, tenant) => ("t", app_id, format!(".{tenant}")),
    };
    let mac = mac(app, &format!("{prefix}-{app_id}.{slot:x}{tenant}"));
    format!("{prefix}-{app_id}.{slot:x}.{mac}{tenant}")
}

/// The ticket that is pushed to a store app in this hour.
pub fn ticket(app: &App, now: TimestampMs) -> Secret {
    ticket_of(app, now.0.div_euclid(TICKET_SLOT_MS))
}

/// When the hour of a ticket began.
pub fn ticket_slot_start(now: TimestampMs) -> TimestampMs {
    TimestampMs(now.0.div_euclid(TICKET_SLOT_MS) * TICKET_SLOT_MS)
}

/// When the hour of a ticket ends.
pub fn ticket_slot_end(now: TimestampMs) -> TimestampMs {
    TimestampMs(ticket_slot_start(now).0 + TICKET_SLOT_MS)
}

/// The event id under which the ticket of this hour is pushed.
pub fn ticket_event_id(app: &App, now: TimestampMs) -> [u8; 16] {
    let slot = now.0.div_euclid(TICKET_SLOT_MS);
    let digest = Sha256::digest(format!("app_ticket {} {slot}", app.id));
    std::array::from_fn(|idx| digest[idx])
}

/// Whether a ticket is one that was pushed to the app in the last 12 hours.
pub fn ticket_matches(app: &App, ticket: &str, now: TimestampMs) -> bool {
    let slot = now.0.div_euclid(TICKET_SLOT_MS);
    (0..TICKET_SLOTS_VALID).any(|back| ticket_of(app, slot - back).matches(ticket))
}

fn ticket_of(app: &App, slot: i64) -> Secret {
    Secret::from(mac(app, &format!("ticket.{slot:x}")))
}

/// 128 bits of an HMAC-SHA-256, in hexadecimal.
fn mac(app: &App, message: &str) -> String {
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(app.app_secret.expose().as_bytes()).expect("HMAC takes keys of every length");
    hmac.update(app.id.as_str().as_bytes());
    hmac.update(message.as_bytes());
    hex(&hmac.finalize().into_bytes()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::app;

    const HOUR: i64 = 60 * 60 * 1000;

    #[test]
    fn a_token_stays_the_same_while_it_has_half_an_hour_left_and_dies_after_two_hours() {
        let app = app();
        let bearer = Bearer::Tenant(app.id.clone(), "t1".parse().unwrap());
        let start = TimestampMs(SLOT_MS * 1_000);
        let token = issue(&app, &bearer, start);
        assert_eq!(token.expires_in_seconds, 7_200);
        let later = issue(&app, &bearer, TimestampMs(start.0 + SLOT_MS - 1));
        assert_eq!(later.secret, token.secret);
        assert!(later.expires_in_seconds >= 1_800);
        let next = issue(&app, &bearer, TimestampMs(start.0 + SLOT_MS));
        assert_ne!(next.secret, token.secret);
        let verified = |now| verify(&app, token.secret.expose(), TimestampMs(now));
        assert_eq!(verified(start.0 + 2 * HOUR - 1), Some(bearer));
        assert_eq!(verified(start.0 + 2 * HOUR), None);
        assert_eq!(app_of(token.secret.expose()), Some(app.id));
    }

    #[test]
    fn a_new_app_secret_ends_every_token_and_ticket() {
        let (app, now) = (app(), TimestampMs(SLOT_MS * 1_000));
        let token = issue(&app, &Bearer::App(app.id.clone()), now).secret;
        let ticket = ticket(&app, now);
        let reset = App {
            app_secret: "another".into(),
            ..app.clone()
        };
        assert!(verify(&app, token.expose(), now).is_some() && verify(&reset, token.expose(), now).is_none());
        assert!(ticket_matches(&app, ticket.expose(), now) && !ticket_matches(&reset, ticket.expose(), now));
    }

    #[test]
    fn a_ticket_is_good_for_twelve_hours() {
        let (app, now) = (app(), TimestampMs(HOUR * 1_000));
        let ticket = ticket(&app, now);
        assert!(ticket_matches(&app, ticket.expose(), TimestampMs(now.0 + 12 * HOUR)));
        assert!(!ticket_matches(&app, ticket.expose(), TimestampMs(now.0 + 13 * HOUR)));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let app = app();
        for token in [
            "",
            "t-",
            "a-cli_9f5343c580712544",
            "t-cli_x.zz.mac.tenant",
            &"t".repeat(10_000),
        ] {
            assert_eq!(verify(&app, token, TimestampMs(0)), None, "{token:.40}");
        }
    }
}
