//! What holds for every input.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use bytes::Bytes;
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ConnectionQuery, EndpointReply, EndpointRequest};
use larkspur_wire::envelope::{ChallengeReply, Envelope, Incoming, NewHeader, Schema, write_v1, write_v2};
use larkspur_wire::frame::{Frame, Header, Outgoing};
use larkspur_wire::{
    AppId, EventId, Reassembly, ReassemblyError, ReassemblyLimits, Secret, TimestampMs, open, seal, sign, verify,
};
use proptest::prelude::*;

fn outgoing(payload: Vec<u8>) -> Outgoing {
    Outgoing {
        service: 1,
        message_id: "m".parse().unwrap(),
        trace_id: String::new(),
        timestamp: TimestampMs(0),
        payload: payload.into(),
    }
}

/// A frame's header as the protobuf library derives it.
#[derive(Clone, PartialEq, prost::Message)]
struct DerivedHeader {
    #[prost(string, required, tag = "1")]
    key: String,
    #[prost(string, required, tag = "2")]
    value: String,
}

/// A frame as the protobuf library derives it.
#[derive(Clone, PartialEq, prost::Message)]
struct DerivedFrame {
    #[prost(uint64, required, tag = "1")]
    seq_id: u64,
    #[prost(uint64, required, tag = "2")]
    log_id: u64,
    #[prost(int32, required, tag = "3")]
    service: i32,
    #[prost(int32, required, tag = "4")]
    method: i32,
    #[prost(message, repeated, tag = "5")]
    headers: Vec<DerivedHeader>,
    #[prost(string, optional, tag = "6")]
    payload_encoding: Option<String>,
    #[prost(string, optional, tag = "7")]
    payload_type: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    payload: Option<Bytes>,
    #[prost(string, optional, tag = "9")]
    log_id_new: Option<String>,
}

fn envelope(body: &[u8]) -> Envelope {
    match Incoming::parse(body).unwrap() {
        Incoming::Event(envelope) => envelope,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn opening_undoes_sealing(plain: Vec<u8>, key: String, iv: [u8; 16]) {
        let key = Secret::from(key);
        prop_assert_eq!(open(&seal(&plain, &key, iv), &key).unwrap(), plain);
    }

    #[test]
    fn a_signature_fits_its_own_body_only(body: Vec<u8>, key: String, more: u8) {
        let key = Secret::from(key);
        let signature = sign("1", "n", &key, &body);
        prop_assert!(verify("1", "n", &key, &body, &signature));
        let longer: Vec<u8> = body.into_iter().chain([more]).collect();
        prop_assert!(!verify("1", "n", &key, &longer, &signature));
    }

    #[test]
    fn reading_undoes_writing_a_frame(
        seq_id: u64, log_id: u64, service: i32, method: i32,
        headers in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..8),
        payload: Option<Vec<u8>>, log_id_new: Option<String>,
    ) {
        let headers = headers.into_iter().map(|(key, value)| Header { key, value }).collect();
        let payload = payload.map(Bytes::from);
        let frame = Frame { seq_id, log_id, service, method, headers, payload, log_id_new, ..Frame::default() };
        prop_assert_eq!(Frame::read(frame.write()).unwrap(), frame);
    }

    #[test]
    fn frames_are_written_and_read_as_their_definition_says(
        numbers: (u64, u64, i32, i32),
        headers in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..8),
        texts: (Option<String>, Option<String>, Option<String>), payload: Option<Vec<u8>>,
    ) {
        let (seq_id, log_id, service, method) = numbers;
        let (payload_encoding, payload_type, log_id_new) = texts;
        let payload = payload.map(Bytes::from);
        let ours = headers.iter().cloned().map(|(key, value)| Header { key, value }).collect();
        let frame = Frame {
            seq_id, log_id, service, method, headers: ours, payload_encoding: payload_encoding.clone(),
            payload_type: payload_type.clone(), payload: payload.clone(), log_id_new: log_id_new.clone(),
        };
        let headers = headers.into_iter().map(|(key, value)| DerivedHeader { key, value }).collect();
        let derived = DerivedFrame {
            seq_id, log_id, service, method, headers, payload_encoding, payload_type, payload, log_id_new,
        };
        prop_assert_eq!(&frame.write()[..], &prost::Message::encode_to_vec(&derived)[..]);
        prop_assert_eq!(prost::Message::decode(frame.write()), Ok(derived));
        prop_assert_eq!(Frame::read(frame.write()), Ok(frame));
    }

    #[test]
    fn fragments_join_in_any_order(payload: Vec<u8>, size in 1_usize..20, seed: u64) {
        let mut frames: Vec<Frame> = Frame::event(&outgoing(payload.clone()), size, || 0).collect();
        let mut state = seed;
        for idx in (1..frames.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            frames.swap(idx, (state >> 33) as usize % (idx + 1));
        }
        let mut parts = Reassembly::default();
        let joined: Vec<Bytes> =
            frames.iter().filter_map(|frame| parts.push(frame, TimestampMs(0)).unwrap()).collect();
        prop_assert_eq!(joined, vec![Bytes::from(payload)]);
        prop_assert!(parts.is_empty());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, text: String) {
        let _ = Incoming::parse(&bytes);
        let _ = Ack::parse(&bytes);
        let _ = EndpointRequest::parse(&bytes);
        let _ = EndpointReply::parse(&bytes);
        let _ = ChallengeReply::parse(&bytes);
        let _ = open(&text, &Secret::from("k"));
        let _ = ConnectionQuery::parse(&text);
        let _ = TimestampMs::from_wire(&text);
        if let Ok(frame) = Frame::read(bytes.into()) {
            let _ = Reassembly::default().push(&frame, TimestampMs(0));
        }
    }

    #[test]
    fn blanks_and_order_make_no_difference(ids: (String, String, i64), value: String, odd in "[{}\\[\\]\",:0-9a-z]{0,8}") {
        let header = serde_json::json!({ "event_id": ids.0, "event_type": "a.b_v1", "app_id": ids.1, "create_time": ids.2 });
        let event = serde_json::json!({ "value": [value, ids.2, null] }).to_string() + &odd;
        let read = |body: String| match Incoming::read(body) {
            Ok(Incoming::Event(envelope)) => Some((envelope.schema, envelope.header, envelope.event.get().to_owned())),
            _ => None,
        };
        let compact = read(format!(r#"{{"schema":"2.0","header":{header},"event":{event}}}"#));
        prop_assert!(compact.is_some() || !odd.is_empty());
        prop_assert_eq!(&compact, &read(format!(r#"{{ "schema":"2.0","header":{header},"event":{event}}}"#)));
        prop_assert_eq!(&compact, &read(format!(r#"{{"event":{event},"header":{header},"schema":"2.0"}}"#)));
    }

    #[test]
    fn both_envelopes_carry_the_same_header(app: [u8; 8], event: [u8; 16], ms in 100_000_000_000_i64..9_999_999_999_999, value: String) {
        let (event_id, app_id) = (EventId::mint(event), AppId::mint(app));
        let (event_type, tenant_key) = ("approval_instance".parse().unwrap(), "t1".parse().unwrap());
        let token = Secret::from("token");
        let header = NewHeader {
            event_id: &event_id, event_type: &event_type, create_time: TimestampMs(ms), token: &token, app_id: &app_id,
            tenant_key: Some(&tenant_key),
        };
        let payload = serde_json::json!({ "value": value }).to_string();
        let (v2, v1) = (envelope(&write_v2(&header, payload.as_bytes())), envelope(&write_v1(&header, payload.as_bytes()).unwrap()));
        prop_assert_eq!((v2.schema, v1.schema), (Schema::V2, Schema::V1));
        prop_assert_eq!(&v2.header, &v1.header);
        prop_assert_eq!(v2.header.create_time, Some(TimestampMs(ms)));
        prop_assert_eq!(v2.event.get(), payload);
    }
}

fn fragment(message_id: &str, sum: &str, seq: &str, bytes: usize) -> Frame {
    let pairs = [
        ("type", "event"),
        ("message_id", message_id),
        ("sum", sum),
        ("seq", seq),
    ];
    let headers = pairs
        .map(|(key, value)| Header {
            key: key.to_owned(),
            value: value.to_owned(),
        })
        .into();
    Frame {
        method: 1,
        headers,
        payload: Some(vec![0; bytes].into()),
        ..Frame::default()
    }
}

#[test]
fn a_fragment_bomb_is_refused_before_it_costs_memory() {
    let mut parts = Reassembly::default();
    let bomb = parts.push(&fragment("m", "2147483648", "0", 1), TimestampMs(0));
    assert!(matches!(
        bomb,
        Err(ReassemblyError::TooManyFragments { sum: 2_147_483_648, .. })
    ));
    assert!(parts.is_empty());
}

#[test]
fn incomplete_messages_are_bounded_in_bytes_number_and_age() {
    let limits = ReassemblyLimits {
        messages_max: 2,
        bytes_max: 100,
        ..ReassemblyLimits::default()
    };
    let mut parts = Reassembly::new(limits);
    for (at, message) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(
            parts.push(&fragment(message, "2", "0", 10), TimestampMs(at as i64)),
            Ok(None)
        );
    }
    assert_eq!(parts.len(), 2);
    assert!(matches!(
        parts.push(&fragment("b", "2", "1", 90), TimestampMs(3)),
        Err(ReassemblyError::TooManyBytes { .. })
    ));
    assert_eq!(parts.len(), 1);
    parts.expire(TimestampMs(2).saturating_add(limits.age_max));
    assert!(parts.is_empty());
}

#[test]
fn fragments_that_contradict_each_other_are_refused() {
    let mut parts = Reassembly::default();
    parts.push(&fragment("m", "2", "0", 1), TimestampMs(0)).unwrap();
    let changed = parts.push(&fragment("m", "3", "1", 1), TimestampMs(0));
    assert_eq!(changed, Err(ReassemblyError::SumChanged { before: 2, now: 3 }));
    assert!(parts.push(&fragment("m", "2", "2", 1), TimestampMs(0)).is_err());
    assert!(parts.push(&fragment("m", "two", "0", 1), TimestampMs(0)).is_err());
}
