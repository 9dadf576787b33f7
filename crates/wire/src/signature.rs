//! Signatures of webhook requests.
//!
//! A plain hash over timestamp, nonce, key and body, not an HMAC. See
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case>.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Secret, hex};

/// The signature of a request: SHA-256 of timestamp, nonce, Encrypt Key and the body as it is on the wire.
///
/// ```
/// use larkspur_wire::{Secret, sign, verify};
/// let key = Secret::from("test key");
/// let signature = sign("1608725989", "nonce123", &key, b"{}");
/// assert!(verify("1608725989", "nonce123", &key, b"{}", &signature));
/// assert!(!verify("1608725989", "nonce123", &key, b"{ }", &signature));
/// ```
pub fn sign(timestamp: &str, nonce: &str, encrypt_key: &Secret, body: &[u8]) -> String {
    let hash = Sha256::new()
        .chain_update(timestamp)
        .chain_update(nonce)
        .chain_update(encrypt_key.expose());
    hex(&hash.chain_update(body).finalize())
}

/// Whether a signature fits, in constant time; upper-case digits are taken too.
pub fn verify(timestamp: &str, nonce: &str, encrypt_key: &Secret, body: &[u8], signature: &str) -> bool {
    let expected = sign(timestamp, nonce, encrypt_key, body);
    expected
        .as_bytes()
        .ct_eq(signature.to_ascii_lowercase().as_bytes())
        .into()
}

/// The signature of the old card callback (`card.action.trigger_v1`): SHA-1, with the Verification Token as key.
pub fn sign_card_v1(timestamp: &str, nonce: &str, verification_token: &Secret, body: &[u8]) -> String {
    let hash = Sha1::new()
        .chain_update(timestamp)
        .chain_update(nonce)
        .chain_update(verification_token.expose());
    hex(&hash.chain_update(body).finalize())
}
