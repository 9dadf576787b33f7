//! The webhook client against receivers on the loopback interface, well behaved and hostile.

mod bounds;
mod challenges;
mod connections;
mod posts;
mod receiver;

use std::collections::BTreeSet;

use larkspur_platform::{Assumptions, DeliverySettings};
use larkspur_store::{App, AppConfig, AppKind};
use larkspur_wire::{AppId, Secret, TimestampMs};

use super::{Endpoint, WebhookClient, WebhookPush};
use crate::push::Pushed;

const SIGNED_AT: TimestampMs = TimestampMs(1_700_000_000_123);

/// An app that may be pushed to on the loopback interface.
fn app(encrypt_key: &str) -> App {
    App {
        id: AppId::mint([7; 8]),
        name: "test".to_owned(),
        kind: AppKind::Custom,
        app_secret: Secret::from("secret".to_owned()),
        verification_token: Secret::from("rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV".to_owned()),
        encrypt_key: Secret::from(encrypt_key.to_owned()),
        tenants: BTreeSet::new(),
        event_url: None,
        callback_url: None,
        delivery: larkspur_store::AppDelivery::default(),
        allow_private_addresses: true,
        draft: AppConfig::default(),
        published: None,
        created_at: SIGNED_AT,
    }
}

/// Short deadlines, since some receivers here use them up.
fn impatient() -> DeliverySettings {
    DeliverySettings {
        push_timeout_ms: 400,
        challenge_timeout_ms: 400,
        ..DeliverySettings::default()
    }
}

/// Deadlines that nothing here uses up, however busy this machine is.
fn patient() -> DeliverySettings {
    DeliverySettings {
        push_timeout_ms: 60_000,
        ..DeliverySettings::default()
    }
}

fn client(settings: &DeliverySettings) -> WebhookClient {
    WebhookClient::new(settings, &Assumptions::default()).unwrap()
}

fn push(body: &'static str) -> WebhookPush {
    WebhookPush {
        body: body.into(),
        seed: std::array::from_fn(|idx| u8::try_from(idx).unwrap()),
        signed_at: SIGNED_AT,
    }
}

async fn post(client: &WebhookClient, app: &App, url: &str) -> Pushed {
    client.post(app, &Endpoint::parse(url).unwrap(), push("{}")).await
}
