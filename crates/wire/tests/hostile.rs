//! What a peer sends costs no more than its bytes, and one odd member does not spoil the rest.

use bytes::Bytes;
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ClientConfig, EndpointReply};
use larkspur_wire::envelope::{CARD_V1, ChallengeReply, EnvelopeError, Incoming, Schema};
use larkspur_wire::frame::{Frame, FrameError, HEADER_BYTES_MAX, HEADERS_MAX, Header};
use larkspur_wire::{Reassembly, ReassemblyLimits, TimestampMs};

/// The bytes of a header with neither name nor value: the dearest one, byte for byte, once it is decoded.
const EMPTY_HEADER: [u8; 2] = [0x2a, 0];

fn header(key: &str, value: &str) -> Header {
    Header {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn fragment(sum: u32, seq: u32, payload: Bytes) -> Frame {
    let headers = vec![
        header("type", "event"),
        header("message_id", "m"),
        header("sum", &sum.to_string()),
        header("seq", &seq.to_string()),
    ];
    Frame {
        method: 1,
        headers,
        payload: Some(payload),
        ..Frame::default()
    }
}

#[test]
fn headers_are_counted_before_any_is_decoded() {
    // Nothing can be decoded from the last byte, so an error about the headers comes from counting alone.
    let mut bytes = EMPTY_HEADER.repeat(HEADERS_MAX + 1);
    bytes.push(0xff);
    let headers = HEADERS_MAX + 1;
    assert_eq!(Frame::read(bytes.into()), Err(FrameError::TooManyHeaders { headers }));
    let fits = [&Frame::default().write()[..], &EMPTY_HEADER.repeat(HEADERS_MAX)].concat();
    assert!(Frame::read(fits.into()).is_ok());
}

#[test]
fn headers_behind_a_group_are_counted_too() {
    let group: [u8; 2] = [(15 << 3) | 3, (15 << 3) | 4];
    let bytes = [&group[..], &EMPTY_HEADER.repeat(HEADERS_MAX + 1)].concat();
    let read = Frame::read(bytes.into());
    assert!(matches!(read, Err(FrameError::TooManyHeaders { .. })), "{read:?}");
}

#[test]
fn a_frame_without_one_of_its_required_numbers_is_refused() {
    // SeqID, LogID, service and method, two bytes each.
    let whole = Frame::default().write();
    assert_eq!(whole.len(), 8);
    for (field, at) in [("SeqID", 0), ("LogID", 2), ("service", 4), ("method", 6)] {
        let without = [&whole[..at], &whole[at + 2..]].concat();
        assert_eq!(Frame::read(without.into()), Err(FrameError::Missing { field }));
    }
}

#[test]
fn a_header_over_the_limit_is_refused() {
    let with = |bytes| Frame {
        headers: vec![header("instance_id", &"x".repeat(bytes))],
        ..Frame::default()
    };
    assert!(Frame::read(with(HEADER_BYTES_MAX / 2).write()).is_ok());
    let read = Frame::read(with(HEADER_BYTES_MAX).write());
    assert!(matches!(read, Err(FrameError::HeaderTooLarge { .. })), "{read:?}");
}

#[test]
fn a_frame_is_printed_without_its_payload() {
    let printed = format!("{:?}", fragment(1, 0, Bytes::from_static(b"a secret token")));
    assert!(printed.contains("message_id") && printed.contains("14"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
}

#[test]
fn a_kept_fragment_does_not_keep_the_rest_of_its_frame() {
    let mut parts = Reassembly::default();
    let bytes = fragment(2, 0, Bytes::from_static(b"x")).write();
    let frame = Frame::read(bytes.clone()).unwrap();
    assert_eq!(parts.push(&frame, TimestampMs(0)), Ok(None));
    drop(frame);
    assert!(bytes.is_unique());
}

#[test]
fn a_repeated_fragment_costs_nothing() {
    let limits = ReassemblyLimits {
        bytes_max: 10,
        ..ReassemblyLimits::default()
    };
    let mut parts = Reassembly::new(limits);
    let first = fragment(2, 0, Bytes::from_static(b"123456"));
    assert_eq!(parts.push(&first, TimestampMs(0)), Ok(None));
    assert_eq!(parts.push(&first, TimestampMs(0)), Ok(None));
    let last = fragment(2, 1, Bytes::from_static(b"7890"));
    assert_eq!(
        parts.push(&last, TimestampMs(0)),
        Ok(Some(Bytes::from_static(b"1234567890")))
    );
}

#[test]
fn errors_repeat_little_of_what_came() {
    let body = serde_json::to_vec(&"x".repeat(1 << 20)).unwrap();
    let errors = [
        Incoming::parse(&body).unwrap_err().to_string(),
        ChallengeReply::parse(&body).unwrap_err().to_string(),
        Ack::parse(&body).unwrap_err().to_string(),
    ];
    for error in errors {
        assert!(error.len() < 400, "{} bytes: {}", error.len(), &error[..80]);
    }
}

#[test]
fn members_of_the_envelope_may_drift() {
    let body = br#"{"header":{"event_type":"a.b_v1","event_id":17,"create_time":1608725989000,"tenant_key":null,
        "app_id":["x"],"n\u0065w":{"a":1}},"event":{"header":1},"schema":2,"uuid":null}"#;
    let Incoming::Event(envelope) = Incoming::parse(body).unwrap() else {
        panic!("it is an event");
    };
    let header = &envelope.header;
    assert_eq!(
        (
            header.event_id.as_str(),
            header.tenant_key.as_str(),
            header.app_id.as_str()
        ),
        ("17", "", r#"["x"]"#)
    );
    assert_eq!(header.create_time.map(|time| time.0), Some(1_608_725_989_000));
    assert_eq!(header.extra["new"]["a"], 1);
    assert_eq!(envelope.event.get(), r#"{"header":1}"#);
}

#[test]
fn the_old_card_callback_is_told_by_its_action() {
    let body = r#"{"open_id":"ou_1","tenant_key":"t","token":"c-1","action":{"tag":"button"}}"#;
    let Incoming::CardV1(envelope) = Incoming::parse(body.as_bytes()).unwrap() else {
        panic!("it is the old card callback");
    };
    assert_eq!(
        (envelope.header.event_type.as_str(), envelope.header.tenant_key.as_str()),
        (CARD_V1, "t")
    );
    assert_eq!(envelope.event.get(), body);
    assert!(
        envelope.header.token.is_empty(),
        "its token updates the card, and proves nothing"
    );
}

#[test]
fn a_sealed_body_is_found_wherever_its_member_is() {
    for body in [
        r#"{"encrypt":"AA=="}"#,
        " {\n \"encrypt\" : \"AA==\"}",
        r#"{"x":1,"encrypt":"AA=="}"#,
    ] {
        assert!(matches!(Incoming::parse(body.as_bytes()), Ok(Incoming::Sealed(sealed)) if sealed == "AA=="));
    }
}

#[test]
fn a_schema_1_payload_may_have_nulls_where_the_envelope_looks() {
    let body = br#"{"uuid":"u","type":"event_callback","event":{"type":"app_ticket","app_id":null,"tenant_key":null}}"#;
    let Incoming::Event(envelope) = Incoming::parse(body).unwrap() else {
        panic!("no event")
    };
    assert_eq!(envelope.schema, Schema::V1);
    assert_eq!(envelope.header.event_type, "app_ticket");
    assert_eq!(envelope.header.tenant_key, "");
}

#[test]
fn a_refusal_is_understood_whatever_its_data_is() {
    for data in [r#""""#, "null", "{}", "[]", "0", r#"{"URL":1}"#] {
        let body = format!(r#"{{"code":514,"msg":"no","data":{data}}}"#);
        let refused = EndpointReply::Refused {
            code: 514,
            msg: "no".to_owned(),
        };
        assert_eq!(EndpointReply::parse(body.as_bytes()).unwrap(), refused, "{data}");
    }
}

#[test]
fn a_wrong_member_of_the_client_config_leaves_the_others_and_the_url() {
    let body =
        br#"{"code":0,"data":{"URL":"ws://h/ws/v2?a=1","ClientConfig":{"PingInterval":"soon","ReconnectNonce":3}}}"#;
    let EndpointReply::Connect { url, config } = EndpointReply::parse(body).unwrap() else {
        panic!("refused")
    };
    assert!(url.matches("ws://h/ws/v2?a=1"));
    let expected = ClientConfig {
        reconnect_nonce: 3,
        ..ClientConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn a_control_character_in_a_sealed_body_is_no_json() {
    let body = "{\"encrypt\":\"AAAA\0AAA\"}";
    assert!(matches!(
        Incoming::parse(body.as_bytes()),
        Err(EnvelopeError::Malformed { .. })
    ));
    assert!(Incoming::read(body.to_owned()).is_err());
}
