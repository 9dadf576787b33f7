//! Any body is an envelope, a challenge, a sealed body, or an error.
#![no_main]

use larkspur_wire::envelope::Incoming;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Incoming::parse(bytes);
});
