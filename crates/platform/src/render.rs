//! What is pushed: a stored event in the envelope of the app that receives it.

use larkspur_catalog::Schema;
use larkspur_store::{App, EventRow};
use larkspur_wire::envelope;
use serde_json::value::RawValue;

use crate::projection::project;
use crate::settings::WithheldField;

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
    let failed = |source| RenderError { event_id: event.id.clone(), source };
    let payload = projected(&event.payload, withheld, instead).map_err(failed)?;
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

fn projected(payload: &[u8], withheld: &[String], instead: WithheldField) -> serde_json::Result<Box<RawValue>> {
    if withheld.is_empty() {
        return serde_json::from_slice(payload);
    }
    let mut value = serde_json::from_slice(payload)?;
    project(&mut value, withheld, instead);
    serde_json::value::to_raw_value(&value)
}
