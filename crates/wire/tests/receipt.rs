//! An event's frame that is read in place says and answers the same as one that is taken apart.

use bytes::Bytes;
use larkspur_wire::frame::{Frame, Header, Kind, Receipt};
use proptest::prelude::*;

fn header(key: &str, value: &str) -> Header {
    Header {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Frames of events, mostly: what varies is what the platform varies, and a little of what it should not.
fn frames() -> impl Strategy<Value = Frame> {
    let headers = prop::collection::vec(("[a-z_]{0,12}", ".{0,40}"), 0..6);
    let named = (
        prop::sample::select(vec!["event", "event", "event", "card", "pong"]),
        prop::option::of("[ -~]{0,40}"),
        prop::option::of(prop::sample::select(vec!["", "0", "1", "1", "2", "x"])),
        prop::option::of(prop::sample::select(vec!["", "0", "0", "1", "x"])),
    );
    let numbers = (
        any::<u64>(),
        any::<u64>(),
        any::<i32>(),
        prop::sample::select(vec![0, 1, 1, 1, 2, -1]),
    );
    let texts = (
        prop::option::of(".{0,10}"),
        prop::option::of(".{0,10}"),
        prop::option::of(".{0,10}"),
    );
    let payload = prop::option::of(prop::collection::vec(any::<u8>(), 0..2_000));
    (headers, named, numbers, texts, payload).prop_map(|(others, named, numbers, texts, payload)| {
        let (kind, message_id, sum, seq) = named;
        let mut headers = vec![header("type", kind)];
        let mut add = |key, value: Option<&str>| headers.extend(value.map(|value| header(key, value)));
        add("message_id", message_id.as_deref());
        add("sum", sum);
        add("seq", seq);
        headers.extend(others.iter().map(|(key, value)| header(key, value)));
        Frame {
            seq_id: numbers.0,
            log_id: numbers.1,
            service: numbers.2,
            method: numbers.3,
            headers,
            payload_encoding: texts.0,
            payload_type: texts.1,
            payload: payload.map(Bytes::from),
            log_id_new: texts.2,
        }
    })
}

/// Whether a frame is an event in one piece, by taking it apart.
fn is_whole_event(frame: &Frame) -> bool {
    frame.kind() == Kind::Event && frame.payload.is_some() && frame.part().is_ok_and(|part| part.sum == 1)
}

proptest! {
    #[test]
    fn an_event_in_one_frame_is_read_in_place_and_nothing_else_is(frame in frames()) {
        let written = frame.write();
        let read = Receipt::read(&written);
        prop_assert_eq!(read.is_some(), is_whole_event(&frame));
        if let Some((_, payload)) = read {
            prop_assert_eq!(Some(payload), frame.payload.as_deref());
        }
    }

    #[test]
    fn a_receipts_ack_is_the_frame_with_its_answer(frame in frames(), answer: Vec<u8>, took: u32) {
        let written = frame.write();
        let expected = frame.clone().into_ack(answer.clone().into(), took.into());
        if let Some((receipt, _)) = Receipt::read(&written) {
            prop_assert_eq!(Frame::read(receipt.into_ack(&answer, took.into()).into()).unwrap(), expected.clone());
        }
        let receipt = Receipt::from(frame);
        prop_assert_eq!(Frame::read(receipt.into_ack(&answer, took.into()).into()).unwrap(), expected);
    }

    #[test]
    fn what_is_read_in_place_can_be_taken_apart(frame in frames(), at: prop::sample::Index, byte: u8) {
        let mut bytes = frame.write().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        if let Some((_, payload)) = Receipt::read(&bytes) {
            let frame = Frame::read(bytes.clone()).unwrap();
            prop_assert!(is_whole_event(&frame));
            prop_assert_eq!(frame.payload.as_deref(), Some(payload));
        }
    }
}
