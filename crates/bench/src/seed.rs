//! The event that the SDKs are measured on: a background check was ordered, as the official documents show it.
//!
//! See <https://open.feishu.cn/document/ukTMukTMukTM/uMzM1YjLzMTN24yMzUjN/hire-v1/eco_background_check/events/created>.

use larkspur_wire::envelope::{NewHeader, write_v2};
use larkspur_wire::frame::{Frame, Header};
use larkspur_wire::{AppId, EventId, EventType, Secret, TenantKey, TimestampMs, seal_body, sign};

/// Its type.
pub(crate) const EVENT_TYPE: &str = "hire.eco_background_check.created_v1";
/// The app that it is for.
pub(crate) const APP_ID: &str = "cli_9f5343c580712544";
/// The app's Encrypt Key.
pub(crate) const ENCRYPT_KEY: &str = "kudryavka";
/// The app's Verification Token.
pub(crate) const VERIFICATION_TOKEN: &str = "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV";
/// What every request is signed with.
pub(crate) const TIMESTAMP: &str = "1700000000";
/// What every request is signed with.
pub(crate) const NONCE: &str = "5f3a0c6d8b21";
/// Digits of a message id in a frame.
const MESSAGE_DIGITS: usize = 8;

const PAYLOAD: &str = r#"{"background_check_id":"6931286400470354183","account_id":"6931286400470354183","package_id":"12","additional_item_id_list":["ext002"],"comment":"高阶候选人，请尽快处理","candidate_info":{"name":"王二","mobile":{"code":"86","number":"18900001111"},"email":"xxx@abc.vom","first_name":"Ming","last_name":"Lee"},"client_contact_info":{"name":"王二","mobile":{"code":"86","number":"18900001111"},"email":"xxx@abc.vom"},"custom_field_list":[{"key":"candidate_extra_info","value":"这是一些额外信息"}]}"#;

/// A webhook request.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) body: Vec<u8>,
    pub(crate) signature: String,
}

/// The event with this number, in its envelope. Each number is an event of its own to whoever drops repeats.
pub(crate) fn envelope(number: u64) -> Vec<u8> {
    let parsed = "the constants above are valid";
    let (app_id, tenant_key): (AppId, TenantKey) =
        (APP_ID.parse().expect(parsed), "2ca1d211f64f6438".parse().expect(parsed));
    let (event_id, event_type): (EventId, EventType) = (
        crate::event::id(number).parse().expect(parsed),
        EVENT_TYPE.parse().expect(parsed),
    );
    let header = NewHeader {
        event_id: &event_id,
        event_type: &event_type,
        create_time: TimestampMs(1_608_725_989_000),
        token: &Secret::from(VERIFICATION_TOKEN),
        app_id: &app_id,
        tenant_key: Some(&tenant_key),
    };
    write_v2(&header, PAYLOAD.as_bytes())
}

/// The webhook request that carries the event.
pub(crate) fn sealed(number: u64) -> Sealed {
    let key = Secret::from(ENCRYPT_KEY);
    let mut iv = [0; 16];
    iv[..8].copy_from_slice(&number.to_le_bytes());
    let body = seal_body(&envelope(number), &key, iv);
    let signature = sign(TIMESTAMP, NONCE, &key, &body);
    Sealed { body, signature }
}

/// A frame whose event and message id can be changed in place, which is much faster than writing a new one.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    event_id_at: usize,
    message_id_at: usize,
}

impl Template {
    pub(crate) fn new() -> Self {
        let header = |key: &str, value: &str| Header {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let frame = Frame {
            seq_id: 1,
            log_id: 1,
            service: larkspur_wire::endpoint::SERVICE_ID,
            method: 1,
            headers: vec![
                header("type", "event"),
                header("message_id", &digits(0)),
                header("sum", "1"),
                header("seq", "0"),
                header("trace_id", "seed"),
            ],
            payload: Some(envelope(0).into()),
            ..Frame::default()
        };
        let bytes = frame.write().to_vec();
        let find = |text: &str| {
            let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
            at.expect("the frame has been written with it")
        };
        let (event_id_at, message_id_at) = (find(&crate::event::id(0)), find(&digits(0)));
        Self {
            bytes,
            event_id_at,
            message_id_at,
        }
    }

    /// The frame with the event of this number.
    pub(crate) fn with(&mut self, number: u64) -> &[u8] {
        let (event_id, message_id) = (crate::event::id(number), digits(number));
        self.bytes[self.event_id_at..][..event_id.len()].copy_from_slice(event_id.as_bytes());
        self.bytes[self.message_id_at..][..message_id.len()].copy_from_slice(message_id.as_bytes());
        &self.bytes
    }

    /// The number of the message that an ack is for; all clients echo the headers where they were.
    pub(crate) fn number_of(&self, ack: &[u8]) -> Option<u64> {
        let digits = ack.get(self.message_id_at..)?.get(..MESSAGE_DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

fn digits(number: u64) -> String {
    format!("{:0MESSAGE_DIGITS$}", number % 100_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_size_that_figures_are_compared_at() {
        assert_eq!(envelope(1).len(), 789);
        assert_eq!(sealed(1).body.len(), 1_102);
        assert_eq!(Template::new().with(1).len(), 880);
    }

    #[test]
    fn a_template_makes_the_frame_that_writing_would() {
        let mut template = Template::new();
        let frame = Frame::read(template.with(77).to_vec().into()).unwrap();
        assert_eq!(frame.payload.as_deref(), Some(&envelope(77)[..]));
        let ack = frame.into_ack(larkspur_wire::ack::Ack::ok().write().into(), 0).write();
        assert_eq!(template.number_of(&ack), Some(77));
    }
}
