//! A request that somebody else signed.

use anyhow::{Result, ensure};
use hyper::Method;
use larkspur_wire::{Secret, seal_body, sign};
use serde_json::json;

use super::arrive::round_trip;
use super::{Bench, Mode, told};
use crate::payload::{TENANT, TYPES, random};

/// Posts an event that is sealed with the right key and signed with another.
pub(super) async fn run(bench: &Bench) -> Result<()> {
    let (platform, app) = bench.stage(Mode::Sealed).await?;
    let told = told(&platform, &app, Mode::Sealed)?;
    let url = format!("http://127.0.0.1:{}/webhook/event", told.port);
    let mut peer = bench.subscribe(&platform, &app, told).await?;
    let publication = random(TYPES[0])?;
    let create_time = publication.create_time_ms.to_string();
    let envelope = json!({
        "schema": "2.0",
        "header": {
            "event_id": "f0f0f0f0", "event_type": publication.event_type, "create_time": create_time,
            "token": app.verification_token, "app_id": app.app_id, "tenant_key": TENANT,
        },
        "event": publication.event,
    });
    let key = Secret::from(app.encrypt_key.as_str());
    let body = seal_body(envelope.to_string().as_bytes(), &key, [7; 16]);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs()
        .to_string();
    let signature = sign(&now, "nonce", &Secret::from("another key"), &body);
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("x-lark-request-timestamp", now.as_str()),
        ("x-lark-request-nonce", "nonce"),
        ("x-lark-signature", signature.as_str()),
    ];
    let answer = platform.http().send(Method::POST, &url, &headers, body).await?;
    let expected = bench.sdk.language.forged_status();
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(
        answer.status == expected,
        "the answer was {} instead of {expected}: {text}",
        answer.status
    );
    ensure!(
        expected != 200 || answer.body.is_empty(),
        "a forged request was answered with {text}"
    );
    // The next event that arrives is the platform's: the forged one ran nothing.
    round_trip(&platform, &app, &mut peer, &publication).await
}
