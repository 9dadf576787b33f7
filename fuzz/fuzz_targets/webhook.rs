//! Any request is answered: an event that is the platform's with 200, everything else with a status that refuses it.
#![no_main]

use std::sync::LazyLock;

use larkspur::{Delivery, Router, Webhook};
use larkspur_wire::{Secret, seal_body, sign};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
static HOOK: LazyLock<Webhook> = LazyLock::new(|| {
    let router = Router::new().without_dedup().fallback(async |_: Delivery| {});
    Webhook::with_key("a key", "a token", router).expect("keys and a router")
});

libfuzzer_sys::fuzz_target!(|input: (bool, bool, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (is_sealed, is_signed, timestamp, nonce, mut signature, mut body) = input;
    let key = Secret::from("a key");
    if is_sealed {
        body = seal_body(&body, &key, [7; 16]);
    }
    if let (true, Ok(timestamp), Ok(nonce)) = (is_signed, str::from_utf8(&timestamp), str::from_utf8(&nonce)) {
        signature = sign(timestamp, nonce, &key, &body).into_bytes();
    }
    let headers = [("x-lark-request-timestamp", timestamp), ("x-lark-request-nonce", nonce), ("x-lark-signature", signature)];
    let request = headers.into_iter().fold(http::Request::post("/"), |request, (name, value)| request.header(name, value));
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let response = RUNTIME.block_on(HOOK.handle(&head, body.into()));
    let status = response.status().as_u16();
    assert!(matches!(status, 200 | 400 | 403 | 413), "{status}");
    assert!(serde_json::from_slice::<serde_json::Value>(response.body()).is_ok());
});
