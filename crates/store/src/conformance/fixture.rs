//! Values for the claims.

use std::time::Duration;

use bytes::Bytes;
use larkspur_wire::{AppId, EventId, TimestampMs};

use crate::{
    Accepted, App, AppConfig, AppKind, AppVersion, Attempt, DeliveryId, Mode, NewDelivery, NewEvent, Settlement, Store,
    Verdict,
};

/// When a lease given at 0 ends.
pub(super) const LEASE_END: TimestampMs = TimestampMs(60_000);

pub(super) fn app_id(n: u8) -> AppId {
    AppId::mint([n; 8])
}

pub(super) fn event_id(n: u8) -> EventId {
    EventId::mint([n; 16])
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

/// Event `n` for the apps, its deliveries numbered from `n × 256`.
pub(super) fn event(n: u8, apps: &[u8]) -> NewEvent {
    let delivery = |(idx, app): (usize, &u8)| NewDelivery {
        id: delivery_id(n, idx),
        app_id: app_id(*app),
        withheld: if *app == 2 {
            vec!["user.user_id".to_owned()]
        } else {
            Vec::new()
        },
    };
    NewEvent {
        id: event_id(n),
        event_type: "im.message.receive_v1".parse().expect("a valid event type"),
        tenant_key: "tenant".parse().ok(),
        create_time: TimestampMs(i64::from(n)),
        accepted_at: TimestampMs(i64::from(n) + 1),
        payload: Bytes::from(format!(r#"{{"n":{n}}}"#)),
        digest: [n; 32],
        deliveries: apps.iter().enumerate().map(delivery).collect(),
        lease_until: LEASE_END,
        binds: Vec::new(),
    }
}

pub(super) fn delivery_id(event: u8, idx: usize) -> DeliveryId {
    DeliveryId(u128::from(event) * 256 + idx as u128)
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
    }
}

pub(super) async fn accept(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Accepted> {
    store.accept(events).await.expect("accepting works")
}
