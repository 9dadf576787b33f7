//! Writing envelopes, compact: Node checks the signature over what it has parsed and written again.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{AppId, EventId, EventType, Secret, TenantKey, TimestampMs};

/// What to put around a payload.
#[derive(Clone, Copy, Debug)]
pub struct NewHeader<'a> {
    /// The same in every push of the event.
    pub event_id: &'a EventId,
    /// The routing key.
    pub event_type: &'a EventType,
    /// When it happened.
    pub create_time: TimestampMs,
    /// The receiving app's Verification Token.
    pub token: &'a Secret,
    /// The receiving app.
    pub app_id: &'a AppId,
    /// The tenant; `app_ticket` has none.
    pub tenant_key: Option<&'a TenantKey>,
}

#[derive(Serialize)]
struct HeaderV2<'a> {
    event_id: &'a EventId,
    event_type: &'a EventType,
    create_time: String,
    token: &'a str,
    app_id: &'a AppId,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_key: Option<&'a TenantKey>,
}

#[derive(Serialize)]
struct BodyV1<'a> {
    ts: String,
    uuid: &'a EventId,
    token: &'a str,
    r#type: &'static str,
    event: Map<String, Value>,
}

/// A payload, compact JSON, in an envelope of schema 2.0.
pub fn write_v2(header: &NewHeader<'_>, event: &[u8]) -> Vec<u8> {
    body_v2(header, header.create_time.to_wire_ms(), event)
}

/// A callback in its envelope: schema 2.0, with the time in microseconds.
///
/// See <https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication>.
pub fn write_callback(header: &NewHeader<'_>, event: &Map<String, Value>) -> Vec<u8> {
    let event = serde_json::to_vec(event).expect(ALWAYS_JSON);
    body_v2(header, header.create_time.to_wire_us(), &event)
}

/// The old card callback (`card.action.trigger_v1`), which has no envelope: its payload with the tenant filled in.
///
/// See <https://open.feishu.cn/document/ukTMukTMukTM/uYzM3QjL2MzN04iNzcDN/configuring-card-callbacks/card-callback-structure>.
pub fn write_card_v1(tenant_key: &TenantKey, payload: &Map<String, Value>) -> Vec<u8> {
    let mut payload = payload.clone();
    payload.insert("tenant_key".to_owned(), tenant_key.as_str().into());
    Value::Object(payload).to_string().into_bytes()
}

/// Why writing cannot fail.
const ALWAYS_JSON: &str = "strings and JSON are JSON";

/// Room for what stands around a payload.
const AROUND_BYTES: usize = 512;

fn body_v2(header: &NewHeader<'_>, create_time: String, event: &[u8]) -> Vec<u8> {
    let header = HeaderV2 {
        event_id: header.event_id,
        event_type: header.event_type,
        create_time,
        token: header.token.expose(),
        app_id: header.app_id,
        tenant_key: header.tenant_key,
    };
    let mut body = Vec::with_capacity(AROUND_BYTES + event.len());
    body.extend_from_slice(br#"{"schema":"2.0","header":"#);
    serde_json::to_writer(&mut body, &header).expect(ALWAYS_JSON);
    body.extend_from_slice(br#","event":"#);
    body.extend_from_slice(event);
    body.push(b'}');
    body
}

/// A payload in an envelope of schema 1.0, its own `type`, `app_id` and `tenant_key` filled in; fails when the payload
/// is no object.
pub fn write_v1(header: &NewHeader<'_>, event: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut event: Map<String, Value> = serde_json::from_slice(event)?;
    event.insert("type".to_owned(), header.event_type.as_str().into());
    event.insert("app_id".to_owned(), header.app_id.as_str().into());
    if let Some(tenant_key) = header.tenant_key {
        event.insert("tenant_key".to_owned(), tenant_key.as_str().into());
    }
    serde_json::to_vec(&BodyV1 {
        ts: header.create_time.to_wire_seconds_fraction(),
        uuid: header.event_id,
        token: header.token.expose(),
        r#type: "event_callback",
        event,
    })
}
