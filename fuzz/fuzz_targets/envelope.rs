//! Any body is an envelope, a challenge, an old card callback, a sealed body, or an error; a payload is JSON.
#![no_main]

use larkspur_wire::envelope::Incoming;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let parsed = Incoming::parse(bytes);
    if let Ok(Incoming::Event(envelope) | Incoming::CardV1(envelope)) = &parsed {
        assert!(!envelope.header.event_type.is_empty());
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(envelope.event.get()).is_ok());
    }
    // Beside a seal that comes first, nothing is looked at.
    let is_sealed = matches!(parsed, Ok(Incoming::Sealed(_)));
    if let Ok(text) = String::from_utf8(bytes.to_vec()) {
        assert!(is_sealed || Incoming::read(text).is_ok() == parsed.is_ok());
    }
});
