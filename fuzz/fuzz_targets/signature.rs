//! No other text than the signature is one.
#![no_main]

use larkspur_wire::{Secret, sign, verify};

libfuzzer_sys::fuzz_target!(|input: (String, String, Vec<u8>, String)| {
    let (timestamp, nonce, body, signature) = input;
    let key = Secret::from("a key");
    let fits = verify(&timestamp, &nonce, &key, &body, &signature);
    assert_eq!(fits, sign(&timestamp, &nonce, &key, &body).eq_ignore_ascii_case(&signature));
});
