//! Frames as the hub means them: what comes in from a client, and what goes out to it.

use bytes::Bytes;
use larkspur_wire::frame::{Frame, Header};
use prost::Message as _;

use super::ack::Ack;
use super::session::Outgoing;

/// A binary message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    Ping { service: i32 },
    Ack { message_id: String, ack: Ack },
    /// A frame, but of a kind that clients have no reason to send.
    Unknown,
    /// No frame, or one that lacks what it must have.
    Malformed,
}

const CONTROL: i32 = 0;
const DATA: i32 = 1;
pub(super) const SERVICE_ID: i32 = 33_554_678;

/// Reads a binary message; whatever is in it, this answers.
pub(super) fn read(bytes: &Bytes) -> Inbound {
    let Ok(frame) = Frame::decode(bytes.clone()) else { return Inbound::Malformed };
    match frame.method {
        CONTROL if frame.header("type") == Some("ping") => Inbound::Ping { service: frame.service },
        DATA => {
            let Some(message_id) = frame.header("message_id") else { return Inbound::Malformed };
            let payload = frame.payload.clone().unwrap_or_default();
            #[derive(serde::Deserialize)]
            struct A { code: i32 }
            let code = serde_json::from_slice::<A>(&payload).ok().map(|a| a.code);
            let ack = Ack { code, has_biz_rt: frame.header("biz_rt").is_some(), payload };
            Inbound::Ack { message_id: message_id.to_owned(), ack }
        }
        _ => Inbound::Unknown,
    }
}

/// The answer to a ping: the whole client configuration, since the SDKs take missing members for 0.
pub(super) fn pong(service: i32, client_config_json: &Bytes) -> Bytes {
    let headers = vec![Header { key: "type".to_owned(), value: "pong".to_owned() }];
    let frame = Frame { service, method: CONTROL, headers, payload: Some(client_config_json.clone()), ..Frame::default() };
    frame.encode_to_vec().into()
}

/// Numbers frames.
#[derive(Debug, Default)]
pub(super) struct FrameIds {
    last: u64,
}

/// Node keeps these numbers as doubles.
const FRAME_ID_END: u64 = 1 << 53;

impl FrameIds {
    fn next(&mut self) -> u64 {
        self.last = (self.last + 1) % FRAME_ID_END;
        self.last
    }
}

/// An event in as many frames as it needs.
pub(super) fn frames<'a>(event: &'a Outgoing, fragment_bytes: usize, ids: &'a mut FrameIds) -> impl Iterator<Item = Bytes> + 'a {
    let sum = event.payload.len().div_ceil(fragment_bytes).max(1);
    (0..sum).map(move |seq| {
        let start = seq * fragment_bytes;
        let payload = event.payload.slice(start..event.payload.len().min(start + fragment_bytes));
        let headers = [
            ("type", "event".to_owned()),
            ("message_id", event.message_id.clone()),
            ("sum", sum.to_string()),
            ("seq", seq.to_string()),
            ("trace_id", event.trace_id.clone()),
            ("timestamp", event.timestamp.0.to_string()),
        ];
        let id = ids.next();
        Frame {
            seq_id: id,
            log_id: id,
            service: SERVICE_ID,
            method: DATA,
            headers: headers.map(|(key, value)| Header { key: key.to_owned(), value }).into(),
            payload: Some(payload),
            ..Frame::default()
        }
        .encode_to_vec()
        .into()
    })
}
