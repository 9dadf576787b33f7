//! No other text than the signature is one, whatever the headers are, and naming a mistake never fails.
#![no_main]

use larkspur_wire::{Secret, Signed, WrongRecipe, sign, sign_card_v1, verify};

libfuzzer_sys::fuzz_target!(|input: (String, String, Vec<u8>, String)| {
    let (timestamp, nonce, body, signature) = input;
    let (key, token) = (Secret::from("a key"), Secret::from("a token"));
    let right = sign(&timestamp, &nonce, &key, &body);
    assert!(verify(&timestamp, &nonce, &key, &body, &right));
    assert_eq!(verify(&timestamp, &nonce, &key, &body, &signature), right.eq_ignore_ascii_case(&signature));
    let request = Signed { timestamp: &timestamp, nonce: &nonce, body: &body };
    let card = sign_card_v1(&timestamp, &nonce, &token, &body);
    assert!(request.check_card_v1(&token, &card).is_some());
    assert_eq!(request.check_card_v1(&token, &signature).is_some(), card.eq_ignore_ascii_case(&signature));
    let _ = WrongRecipe::find(&request, &key, &token, Some(&body), &signature);
});
