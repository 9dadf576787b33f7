//! Callbacks: what a handler answers goes back to who asked.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{ARRIVAL, Bench, Mode, told};
use crate::payload::{carries, random_text};

/// The callback of today's cards.
pub(super) const NEW: &str = "card.action.trigger";
/// The callback of old cards: a body without an envelope, a signature and a handler of its own.
pub(super) const OLD: &str = "card.action.trigger_v1";

/// A button of a card is tapped twice; each time the handler's toast says what the button said.
pub(super) async fn new(bench: &Bench, mode: Mode) -> Result<()> {
    let (platform, app) = bench.stage(mode).await?;
    let mut told = told(&platform, &app, mode)?;
    told.types = vec![NEW];
    let mut peer = bench.subscribe(&platform, &app, told).await?;
    for _ in 0..2 {
        let echo = random_text();
        let event = json!({
            "operator": {"tenant_key": "t", "open_id": random_text(), "user_id": "u"},
            "token": format!("c-{}", random_text()),
            "action": {
                "value": {"echo": echo}, "tag": "button", "timezone": "Asia/Shanghai", "name": random_text(),
                "form_value": {"input": random_text(), "several": ["a", "b"]}, "input_value": random_text(),
                "option": "o", "options": ["o", "p"], "checked": true,
            },
            "host": "im_message",
            "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"},
        });
        let answer = platform.call(&app, NEW, &event).await.with_context(|| peer.log())?;
        ensure!(
            answer["toast"] == json!({"type": "info", "content": echo}),
            "the answer was {answer}"
        );
        carries(&event, &peer.event(ARRIVAL).await?)?;
    }
    Ok(())
}

/// A button of an old card is tapped. The app has an Encrypt Key, with which this callback has nothing to do.
pub(super) async fn old(bench: &Bench) -> Result<()> {
    let (platform, app) = bench.stage(Mode::Sealed).await?;
    let mut told = told(&platform, &app, Mode::Sealed)?;
    told.types = vec![OLD];
    let mut peer = bench.subscribe(&platform, &app, told).await?;
    let (echo, open_id, token) = (random_text(), random_text(), random_text());
    let event = json!({
        "open_id": open_id, "user_id": "u", "open_message_id": "om_1", "token": token,
        "action": {"value": {"echo": echo}, "tag": "button"},
    });
    let answer = platform.call(&app, OLD, &event).await.with_context(|| peer.log())?;
    ensure!(
        answer["toast"] == json!({"type": "info", "content": echo}),
        "the answer was {answer}"
    );
    let expected = json!({"open_id": open_id, "open_message_id": "om_1", "token": token, "value": {"echo": echo}});
    carries(&expected, &peer.event(ARRIVAL).await?)
}
