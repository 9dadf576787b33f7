//! Any text opens or does not, and what was sealed opens.
#![no_main]

use larkspur_wire::{Secret, open, seal};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let key = Secret::from("a key");
    let _ = open(&String::from_utf8_lossy(bytes), &key);
    assert_eq!(open(&seal(bytes, &key, [1; 16]), &key).as_deref(), Ok(bytes));
});
