//! Whatever fragments come, what is kept stays within its limits.
#![no_main]

use larkspur_wire::frame::{Frame, Header};
use larkspur_wire::{Reassembly, ReassemblyLimits, TimestampMs};

libfuzzer_sys::fuzz_target!(|fragments: Vec<(u8, u32, u32, Vec<u8>, i64)>| {
    let limits = ReassemblyLimits { messages_max: 4, fragments_max: 16, bytes_max: 4_096, ..ReassemblyLimits::default() };
    let mut parts = Reassembly::new(limits);
    for (message, sum, seq, payload, at) in fragments {
        let pairs = [("message_id", message.to_string()), ("sum", sum.to_string()), ("seq", seq.to_string())];
        let headers = pairs.map(|(key, value)| Header { key: key.to_owned(), value }).into();
        let frame = Frame { method: 1, headers, payload: Some(payload.into()), ..Frame::default() };
        let _ = parts.push(&frame, TimestampMs(at));
        assert!(parts.len() <= 4);
    }
});
