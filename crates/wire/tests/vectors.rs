//! Bytes that the official SDKs sent and accepted, and the examples of the official documentation.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use bytes::Bytes;
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::ClientConfig;
use larkspur_wire::envelope::{Challenge, Incoming};
use larkspur_wire::frame::{Frame, Kind, Outgoing};
use larkspur_wire::{Reassembly, Secret, TimestampMs, open, seal_body, sign, sign_card_v1, verify};
use serde_json::Value;

fn protocol() -> Value {
    serde_json::from_str(include_str!("vectors/protocol.json")).unwrap()
}

fn captured() -> Value {
    serde_json::from_str(include_str!("vectors/vectors.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn unhex(text: &str) -> Bytes {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn sealed_bodies_of_the_documentation_and_the_sdks_open() {
    let vectors = protocol();
    let all = vectors["sealed"].as_array().unwrap();
    assert_eq!(all.len(), 6);
    for vector in all {
        let plain = open(text(vector, "sealed"), &Secret::from(text(vector, "key"))).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), text(vector, "plain"));
    }
}

#[test]
fn sealing_with_their_initialisation_vector_gives_their_bytes() {
    for vector in protocol()["sealed"].as_array().unwrap() {
        let sealed = text(vector, "sealed");
        let body = format!(r#"{{"encrypt":"{sealed}"}}"#);
        let iv = iv_of(sealed);
        let key = Secret::from(text(vector, "key"));
        assert_eq!(
            String::from_utf8(seal_body(text(vector, "plain").as_bytes(), &key, iv)).unwrap(),
            body
        );
    }
}

fn iv_of(sealed: &str) -> [u8; 16] {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(sealed).unwrap();
    bytes[..16].try_into().unwrap()
}

#[test]
fn signatures_agree() {
    let vectors = protocol();
    let all = vectors["signed"].as_array().unwrap();
    assert_eq!(all.len(), 5);
    for vector in all {
        let (timestamp, nonce, key) = (
            text(vector, "timestamp"),
            text(vector, "nonce"),
            Secret::from(text(vector, "key")),
        );
        let body = text(vector, "body").as_bytes();
        assert_eq!(sign(timestamp, nonce, &key, body), text(vector, "signature"));
        assert!(verify(
            timestamp,
            nonce,
            &key,
            body,
            &text(vector, "signature").to_uppercase()
        ));
    }
    let card = &vectors["card_v1"];
    let token = Secret::from(text(card, "token"));
    let signature = sign_card_v1(
        text(card, "timestamp"),
        text(card, "nonce"),
        &token,
        text(card, "body").as_bytes(),
    );
    assert_eq!(signature, text(card, "signature"));
}

#[test]
fn webhooks_that_all_four_sdks_accepted_are_made_and_read() {
    let vectors = captured();
    let webhook = &vectors["webhook"];
    let key = Secret::from(text(webhook, "encrypt_key"));
    let cases = webhook["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let iv: [u8; 16] = unhex(text(case, "iv_hex"))[..].try_into().unwrap();
        let body = seal_body(text(case, "plaintext").as_bytes(), &key, iv);
        assert_eq!(String::from_utf8(body.clone()).unwrap(), text(case, "body"));
        let signature = sign(text(webhook, "timestamp"), text(webhook, "nonce"), &key, &body);
        assert_eq!(signature, text(case, "x_lark_signature"));
        let Incoming::Sealed(sealed) = Incoming::parse(&body).unwrap() else {
            panic!("{body:?}")
        };
        let plain = open(&sealed, &key).unwrap();
        match Incoming::parse(&plain).unwrap() {
            Incoming::Event(envelope) => assert!(envelope.header.token.matches(text(webhook, "verification_token"))),
            Incoming::Challenge(Challenge { token, .. }) => {
                assert!(token.matches(text(webhook, "verification_token")));
            }
            Incoming::Sealed(_) | Incoming::CardV1(_) => panic!("neither is sealed twice nor the old card callback"),
        }
    }
}

/// Collects every frame in the captured vectors, wherever it stands.
fn frames_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(hex) if hex.starts_with("08") && hex.len() > 40 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            found.push(hex.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| frames_in(item, found)),
        Value::Object(members) => members.values().for_each(|member| frames_in(member, found)),
        _ => {}
    }
}

#[test]
fn every_captured_frame_is_read_and_written_byte_for_byte() {
    let mut all = Vec::new();
    frames_in(&protocol()["frames"], &mut all);
    frames_in(&captured()["ws"], &mut all);
    assert!(all.len() > 60, "{}", all.len());
    for hex in all {
        let bytes = unhex(&hex);
        let frame = Frame::read(bytes.clone()).unwrap();
        assert_eq!(frame.write(), bytes, "{frame:?}");
        assert_ne!(frame.kind(), Kind::Unknown);
    }
}

#[test]
fn pings_pongs_and_events_are_made_byte_for_byte() {
    let vectors = protocol();
    let frame = |idx: usize| unhex(vectors["frames"][idx].as_str().unwrap());
    assert_eq!(Frame::ping(33_554_678).write(), frame(0));
    assert_eq!(Frame::ping(0).write(), frame(1));
    assert_eq!(Frame::pong(33_554_678, &ClientConfig::default()).write(), frame(2));
    let event = Frame::read(frame(3)).unwrap();
    assert_eq!((event.kind(), event.seq_id, event.log_id), (Kind::Event, 1, 2));
    assert_eq!(event.part().unwrap().message_id.as_str(), "m1");
    let ack = event.into_ack(Ack::ok().write().into(), 7);
    assert_eq!(ack.write(), frame(4));
}

#[test]
fn acks_of_every_sdk_are_understood() {
    let vectors = captured();
    let ws = &vectors["ws"];
    for sdk in ["py", "node", "go353", "go322", "java"] {
        for (name, ack) in ws["acks"][sdk].as_object().unwrap() {
            let frame = Frame::read(unhex(text(ack, "hex"))).unwrap();
            assert!(
                Ack::parse(frame.payload.as_ref().unwrap()).unwrap().is_success(),
                "{sdk} {name}"
            );
            assert!(frame.biz_rt_ms().is_some(), "{sdk} {name}");
        }
    }
    for sdk in ["py", "node", "go", "java"] {
        let thrown = &ws["error_acks"][sdk]["handler throws"];
        let frame = Frame::read(unhex(text(thrown, "hex"))).unwrap();
        assert!(
            !Ack::parse(frame.payload.as_ref().unwrap()).unwrap().is_success(),
            "{sdk}"
        );
    }
    let answered = Frame::read(unhex(text(&ws["node_handler_returning_object"], "hex"))).unwrap();
    let ack = Ack::parse(answered.payload.as_ref().unwrap()).unwrap();
    assert_eq!(ack.data.unwrap(), br#"{"toast":{"type":"info","content":"ok"}}"#);
}

#[test]
fn captured_fragments_join() {
    let vectors = captured();
    let mut parts = Reassembly::default();
    let frames = vectors["ws"]["split"]["frames"].as_array().unwrap();
    let mut whole = None;
    for frame in frames.iter().rev() {
        assert!(whole.is_none());
        let frame = Frame::read(unhex(frame.as_str().unwrap())).unwrap();
        whole = parts.push(&frame, TimestampMs(0)).unwrap();
    }
    assert!(matches!(Incoming::parse(&whole.unwrap()).unwrap(), Incoming::Event(_)));
    assert!(parts.is_empty());
}

#[test]
fn a_split_event_has_the_headers_that_every_sdk_needs() {
    let event = Outgoing {
        service: 1,
        message_id: "m".parse().unwrap(),
        trace_id: "t".to_owned(),
        timestamp: TimestampMs(1),
        payload: Bytes::from(vec![b'x'; 10]),
    };
    let mut id = 0;
    let next_id = || {
        id += 1;
        id
    };
    let frames: Vec<Frame> = Frame::event(&event, 4, next_id).collect();
    assert_eq!(frames.len(), 3);
    for (seq, frame) in frames.iter().enumerate() {
        for name in ["type", "message_id", "trace_id", "sum", "seq", "timestamp"] {
            assert!(frame.header(name).is_some(), "{name}");
        }
        assert_eq!(frame.part().unwrap().seq as usize, seq);
    }
}
