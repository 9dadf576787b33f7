//! Values for the claims.

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use larkspur_wire::{AppId, EventId, TimestampMs};

use crate::{
    Accepted, App, AppConfig, AppDelivery, AppKind, AppVersion, Attempt, Claim, Claimed, Delivery, DeliveryId,
    DeliveryQuery, Mode, NewDelivery, NewEvent, Settlement, Start, Store, Verdict, Want,
};

/// Beyond every due time and lease of the claims.
pub(super) const LATER: TimestampMs = TimestampMs(1_000_000);

/// When a lease given at 0 ends.
pub(super) const LEASE_END: TimestampMs = TimestampMs(60_000);

pub(super) fn app_id(n: u8) -> AppId {
    AppId::mint([n; 8])
}

pub(super) fn event_id(n: u32) -> EventId {
    EventId::mint(u128::from(n).to_be_bytes())
}

pub(super) fn app(n: u8) -> App {
    let mut config = AppConfig::default();
    config.events.mode = Mode::Websocket;
    config.events.types.extend("im.message.receive_v1".parse());
    config.scopes.extend("im:message".parse());
    App {
        id: app_id(n),
        name: format!("app {n}"),
        kind: AppKind::Custom,
        app_secret: "app secret".into(),
        verification_token: "token".into(),
        encrypt_key: "key".into(),
        tenants: "tenant".parse().into_iter().collect(),
        event_url: Some("https://example.com/".to_owned()),
        callback_url: None,
        delivery: AppDelivery {
            paused: true,
            per_second_max: NonZeroU32::new(5),
            ..AppDelivery::default()
        },
        allow_private_addresses: true,
        published: Some(AppVersion {
            number: 3,
            published_at: TimestampMs(7),
            config: config.clone(),
        }),
        draft: config,
        created_at: TimestampMs(5),
    }
}

/// Event `n`, accepted at `n + 1`, for the apps, its deliveries numbered from `n × 256`.
pub(super) fn event(n: u32, apps: &[u8]) -> NewEvent {
    let delivery = |(idx, app): (usize, &u8)| NewDelivery {
        id: delivery_id(n, idx),
        app_id: app_id(*app),
        withheld: if *app == 2 {
            vec!["user.user_id".to_owned()]
        } else {
            Vec::new()
        },
        start: Start::Leased,
    };
    NewEvent {
        id: event_id(n),
        event_type: "im.message.receive_v1".parse().expect("a valid event type"),
        tenant_key: "tenant".parse().ok(),
        create_time: TimestampMs(i64::from(n)),
        accepted_at: TimestampMs(i64::from(n) + 1),
        payload: Bytes::from(format!(r#"{{"n":{n}}}"#)),
        digest: [1; 32],
        deliveries: apps.iter().enumerate().map(delivery).collect(),
        lease_until: LEASE_END,
        binds: Vec::new(),
        known_only: false,
    }
}

pub(super) fn delivery_id(event: u32, idx: usize) -> DeliveryId {
    let accepted_at = TimestampMs(i64::from(event) + 1);
    DeliveryId(DeliveryId::first_at(accepted_at).0 + u128::from(event) * 256 + idx as u128)
}

pub(super) fn settlement(delivery: DeliveryId, generation: u32, number: u32, verdict: Verdict) -> Settlement {
    let attempt = Attempt {
        number,
        started_at: TimestampMs(10),
        mode: Mode::Webhook,
        target: "example.com/hook".to_owned(),
        code: Some(500),
        took: Duration::from_micros(1_500),
        answer: Bytes::from_static(b"no"),
        error: (verdict != Verdict::Delivered).then(|| "status 500".to_owned()),
    };
    Settlement {
        delivery,
        generation,
        attempt,
        verdict,
        in_order: false,
    }
}

pub(super) async fn accept(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Accepted> {
    store.accept(events).await.expect("accepting works")
}

/// Claims for the first app.
pub(super) async fn claim(store: &dyn Store, now: TimestampMs, limit: u32) -> Vec<Claim> {
    let mut claimed = claim_for(store, now, &[(1, limit)]).await;
    claimed.pop().expect("every want is answered").claims
}

/// Claims for some apps.
pub(super) async fn claim_for(store: &dyn Store, now: TimestampMs, wants: &[(u8, u32)]) -> Vec<Claimed> {
    let want = |(app, limit): &(u8, u32)| Want {
        app_id: app_id(*app),
        limit: *limit,
    };
    let wants = wants.iter().map(want).collect();
    store.claim(wants, now, LATER).await.expect("claiming works")
}

/// When the next pending delivery of the first app is due.
pub(super) async fn next_due(store: &dyn Store) -> Option<TimestampMs> {
    let backlog = store.backlog().await.expect("reading works");
    backlog.into_iter().find(|one| one.app_id == app_id(1))?.next_due
}

/// An event of the first app whose delivery keeps the order of a key.
pub(super) fn event_in_order(n: u32, key: &str) -> NewEvent {
    let mut event = event(n, &[1]);
    event.deliveries[0].start = Start::InOrder { key: key.to_owned() };
    event
}

/// Settles the first delivery of an event.
pub(super) async fn settle(store: &dyn Store, event: u32, generation: u32, number: u32, verdict: Verdict) {
    let settlements = vec![settlement(delivery_id(event, 0), generation, number, verdict)];
    store.settle(settlements).await.expect("settling works");
}

pub(super) async fn resend(store: &dyn Store, event: u32, due_at: TimestampMs) -> u64 {
    let ids = vec![delivery_id(event, 0)];
    store.resend(ids, due_at).await.expect("resending works")
}

/// What a query for deliveries finds.
pub(super) async fn deliveries(store: &dyn Store, query: DeliveryQuery) -> Vec<Delivery> {
    let page = store.deliveries(&DeliveryQuery { limit: 10, ..query }).await;
    page.expect("reading works").rows
}

/// The first delivery of an event.
pub(super) async fn delivery(store: &dyn Store, event: u32) -> Delivery {
    let query = DeliveryQuery {
        event_id: Some(event_id(event)),
        ..DeliveryQuery::default()
    };
    let mut newest_first = deliveries(store, query).await;
    newest_first.pop().expect("the event has a delivery")
}

/// Runs both at the same time, as far as the store lets them.
pub(super) async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|context| {
        if a_done.is_none() {
            a_done = ready(a.as_mut().poll(context));
        }
        if b_done.is_none() {
            b_done = ready(b.as_mut().poll(context));
        }
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_done, b_done) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
