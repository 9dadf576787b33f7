//! Any answer to a challenge is read or refused.
#![no_main]

use larkspur_wire::envelope::ChallengeReply;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = ChallengeReply::parse(bytes);
});
