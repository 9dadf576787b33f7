//! Any payload is an ack or not, and one that is survives being written.
#![no_main]

use larkspur_wire::ack::Ack;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ack) = Ack::parse(bytes) {
        assert_eq!(Ack::parse(&ack.write()), Ok(ack));
    }
});
