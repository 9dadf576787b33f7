//! Any payload is an ack or not, and one that is survives being written.
#![no_main]

use larkspur_wire::ack::Ack;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ack) = Ack::parse(bytes) {
        if let Ok(answer) = Ack::parse_answer(bytes) {
            assert_eq!(answer, ack.data);
        }
        assert_eq!(Ack::parse(&ack.write()), Ok(ack));
    }
});
