//! Shared by the tests of this crate.

use std::collections::BTreeSet;

use larkspur_store::{App, AppConfig, AppKind};
use larkspur_wire::TimestampMs;

/// An app without anything.
pub(crate) fn app() -> App {
    App {
        id: "cli_9f5343c580712544".parse().unwrap(),
        name: "an app".to_owned(),
        kind: AppKind::Custom,
        app_secret: "secret".into(),
        verification_token: "token".into(),
        encrypt_key: "".into(),
        tenants: BTreeSet::new(),
        event_url: None,
        callback_url: None,
        delivery: larkspur_store::AppDelivery::default(),
        allow_private_addresses: false,
        draft: AppConfig::default(),
        published: None,
        created_at: TimestampMs(0),
    }
}
