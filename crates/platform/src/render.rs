//! What is pushed: a stored event in the envelope of the app that receives it.

use std::borrow::Cow;

use larkspur_catalog::Schema;
use larkspur_store::{App, DeliveryId, EventRow};
use larkspur_wire::{envelope, sha256};

use crate::projection::project;
use crate::settings::WithheldField;
use crate::token;

/// A stored event that cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the stored payload of event `{event_id}` is not JSON")]
pub struct RenderError {
    /// Which event.
    pub event_id: larkspur_wire::EventId,
    #[source]
    source: serde_json::Error,
}

/// Renders an event for one app: the projected payload in the envelope of its schema, compact.
///
/// User and group ids (`open_id`, …) are passed as they were published; the platform does not map them per app.
pub fn render(
    event: &EventRow,
    app: &App,
    schema: Schema,
    withheld: &[String],
    instead: WithheldField,
) -> Result<Vec<u8>, RenderError> {
    let failed = |source| RenderError {
        event_id: event.id.clone(),
        source,
    };
    let payload = match ticket_payload(event, app) {
        Some(payload) => payload.to_string().into_bytes().into(),
        None => projected(&event.payload, withheld, instead).map_err(failed)?,
    };
    let header = envelope::NewHeader {
        event_id: &event.id,
        event_type: &event.event_type,
        create_time: event.create_time,
        token: &app.verification_token,
        app_id: &app.id,
        tenant_key: event.tenant_key.as_ref(),
    };
    match schema {
        Schema::V2 => Ok(envelope::write_v2(&header, &payload)),
        Schema::V1 => envelope::write_v1(&header, &payload).map_err(failed),
    }
}

/// The platform's own `app_ticket` events are stored without their ticket, which is a secret and follows from the time.
fn ticket_payload(event: &EventRow, app: &App) -> Option<serde_json::Value> {
    let own = event.event_type.as_str() == "app_ticket" && event.payload.as_ref() == b"{}";
    own.then(|| serde_json::json!({ "app_ticket": token::ticket(app, event.create_time).expose() }))
}

/// 32 bytes that a push makes its initialisation vector, nonce and message id of: the same for the same attempt, and
/// nobody without the App Secret can tell them.
pub fn push_seed(app: &App, delivery: DeliveryId, attempt: u32) -> [u8; 32] {
    let parts: [&[u8]; 3] = [
        app.app_secret.expose().as_bytes(),
        &delivery.0.to_be_bytes(),
        &attempt.to_be_bytes(),
    ];
    sha256(parts)
}

fn projected<'a>(payload: &'a [u8], withheld: &[String], instead: WithheldField) -> serde_json::Result<Cow<'a, [u8]>> {
    if withheld.is_empty() {
        return Ok(payload.into());
    }
    let mut value = serde_json::from_slice(payload)?;
    project(&mut value, withheld, instead);
    serde_json::to_vec(&value).map(Cow::Owned)
}
