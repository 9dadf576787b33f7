//! The bytes of a push: the envelope sealed when the app has an Encrypt Key, signed, and addressed.
//!
//! Deterministic: the same push gives the same bytes, so that the assumption "a retry repeats the first push" needs
//! nothing stored.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use larkspur_platform::{Assumptions, TimestampUnit};
use larkspur_store::App;
use larkspur_wire::envelope::Challenge;
use larkspur_wire::header::{LOG_ID, NONCE, REQUEST_ID, SIGNATURE, TIMESTAMP};
use larkspur_wire::{hex, seal_body, sign, sign_card_v1};

use super::{Endpoint, WebhookPush};

/// Room for what a push has.
const HEADERS: usize = 8;

/// The protocol's headers in the order that they are sent in; the last three are the signature's.
static NAMES: LazyLock<[HeaderName; 5]> = LazyLock::new(|| {
    [REQUEST_ID, LOG_ID, TIMESTAMP, NONCE, SIGNATURE]
        .map(|name| name.parse().expect("the protocol's header names are valid"))
});

/// The request that carries a push.
pub(super) fn build(
    app: &App,
    endpoint: &Endpoint,
    push: &WebhookPush,
    assumptions: &Assumptions,
) -> Request<Full<Bytes>> {
    let (iv, nonce, request_id) = parts(&push.seed);
    let sealed = !app.encrypt_key.is_empty();
    let body = if sealed {
        Bytes::from(seal_body(&push.body, &app.encrypt_key, iv))
    } else {
        push.body.clone()
    };
    let signed = (sealed || assumptions.sign_without_key).then(|| {
        let timestamp = timestamp(push, assumptions);
        let signature = sign(&timestamp, &nonce, &app.encrypt_key, &body);
        [timestamp, nonce, signature]
    });
    request(endpoint, body, request_id, signed)
}

/// The request that carries the old card callback: in the clear even when the app has an Encrypt Key, and signed with
/// the Verification Token. Go, Java and Python check a sealed one differently than Node does, and agree on this.
pub(super) fn build_card_v1(
    app: &App,
    endpoint: &Endpoint,
    push: &WebhookPush,
    assumptions: &Assumptions,
) -> Request<Full<Bytes>> {
    let (_, nonce, request_id) = parts(&push.seed);
    let timestamp = timestamp(push, assumptions);
    let signature = sign_card_v1(&timestamp, &nonce, &app.verification_token, &push.body);
    request(
        endpoint,
        push.body.clone(),
        request_id,
        Some([timestamp, nonce, signature]),
    )
}

fn timestamp(push: &WebhookPush, assumptions: &Assumptions) -> String {
    match assumptions.timestamp_unit {
        TimestampUnit::Seconds => push.signed_at.to_wire_seconds(),
        TimestampUnit::Milliseconds => push.signed_at.to_wire_ms(),
    }
}

fn request(endpoint: &Endpoint, body: Bytes, request_id: String, signed: Option<[String; 3]>) -> Request<Full<Bytes>> {
    let named = [request_id.clone(), request_id];
    let mut request = Request::new(Full::new(body));
    *request.headers_mut() = HeaderMap::with_capacity(HEADERS);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.target().clone();
    request
        .headers_mut()
        .insert(header::HOST, endpoint.host_header().clone());
    request.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    for (name, value) in NAMES.iter().zip(named.into_iter().chain(signed.into_iter().flatten())) {
        let value = HeaderValue::try_from(value).expect("digits are valid in a header");
        request.headers_mut().insert(name, value);
    }
    request
}

/// Initialisation vector, nonce and request id: three parts of the seed, since the last two travel in the clear and
/// must tell nothing about the first.
fn parts(seed: &[u8; 32]) -> ([u8; 16], String, String) {
    let (iv, rest) = seed.split_at(16);
    let (nonce, request_id) = rest.split_at(8);
    (std::array::from_fn(|idx| iv[idx]), hex(nonce), hex(request_id))
}

/// A value no endpoint can guess.
pub(super) fn challenge_value(random: [u8; 16]) -> String {
    hex(&random)
}

/// The body of the challenge.
pub(super) fn challenge_body(app: &App, challenge: &str) -> Bytes {
    Challenge::write(challenge, &app.verification_token).into()
}
