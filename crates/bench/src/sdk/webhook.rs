//! Webhook requests in process.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::table::Row;
use super::{Bench, rival::Rival};
use crate::peer::Peer;
use crate::role::{Role, sdk_webhook};
use crate::seed;

const CASE: &str = "webhook";

/// What an official SDK's program says.
#[derive(Debug, Deserialize)]
struct Said {
    events: u64,
    cpu_us: f64,
}

pub(super) async fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let spec = sdk_webhook::Spec {
        seconds: bench.seconds(),
    };
    let done: sdk_webhook::Done = Peer::start(Role::SdkWebhook, &spec, None)?.next().await?;
    let ours = Row::new(CASE, "larkspur")
        .with("cpu_us_per_event", done.sdk_us)
        .with("times_floor", done.sdk_us / done.floor_us);
    let floor = Row::new(CASE, "floor")
        .with("cpu_us_per_event", done.floor_us)
        .with("hash_us", done.verify_us)
        .with("open_us", done.open_us)
        .with("parse_us", done.parse_us);
    let mut rows = vec![ours, floor];
    rows.extend(bench.each_rival(CASE, async |rival| measure(bench, rival).await).await);
    Ok(rows)
}

async fn measure(bench: &Bench, rival: &Rival) -> Result<Row> {
    let sealed = seed::sealed(1);
    let spec = json!({
        "seconds": Duration::from_secs_f64(bench.seconds()).as_secs_f64(),
        "encrypt_key": seed::ENCRYPT_KEY, "verification_token": seed::VERIFICATION_TOKEN,
        "event_type": seed::EVENT_TYPE, "body": String::from_utf8(sealed.body)?,
        "headers": {
            "x-lark-request-timestamp": seed::TIMESTAMP, "x-lark-request-nonce": seed::NONCE,
            "x-lark-signature": sealed.signature,
        },
    });
    let Said { events, cpu_us } = Peer::run(&rival.name, rival.program(CASE, &spec)?)?.next().await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a measurement are far below 2⁵³")]
    let events = events as f64;
    Ok(Row::new(CASE, &rival.name).with("cpu_us_per_event", cpu_us / events))
}
