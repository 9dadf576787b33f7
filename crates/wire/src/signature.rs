//! Signatures of webhook requests.
//!
//! A plain hash over timestamp, nonce, key and body, not an HMAC. See
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case>.

mod recipe;

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::{Secret, hex, sha256};

pub use recipe::WrongRecipe;

/// What is signed with a key: the two headers and the body as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The header `X-Lark-Request-Timestamp`.
    pub timestamp: &'a str,
    /// The header `X-Lark-Request-Nonce`.
    pub nonce: &'a str,
    /// The bytes as they came.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Whether a signature fits, and then the hash that it is: no other request has the same. Takes the same time for
    /// every signature of the right length; upper-case digits are taken too.
    pub fn check(&self, encrypt_key: &Secret, signature: &str) -> Option<[u8; 32]> {
        let given = unhex::<32>(signature)?;
        let hash = self.sha256(encrypt_key);
        bool::from(given.ct_eq(&hash)).then_some(hash)
    }

    /// The same for the old card callback.
    pub fn check_card_v1(&self, verification_token: &Secret, signature: &str) -> Option<[u8; 20]> {
        let given = unhex::<20>(signature)?;
        let hash = self.sha1(verification_token);
        bool::from(given.ct_eq(&hash)).then_some(hash)
    }

    fn sha256(&self, key: &Secret) -> [u8; 32] {
        sha256(self.parts(key))
    }

    fn sha1(&self, key: &Secret) -> [u8; 20] {
        let hash = self.parts(key).into_iter().fold(Sha1::new(), Sha1::chain_update);
        hash.finalize().into()
    }

    fn parts<'b>(&'b self, key: &'b Secret) -> [&'b [u8]; 4] {
        let text = [self.timestamp, self.nonce, key.expose()];
        let [timestamp, nonce, key] = text.map(str::as_bytes);
        [timestamp, nonce, key, self.body]
    }
}

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
    let signed = Signed { timestamp, nonce, body };
    hex(&signed.sha256(encrypt_key))
}

/// Whether a signature fits, in constant time; upper-case digits are taken too.
pub fn verify(timestamp: &str, nonce: &str, encrypt_key: &Secret, body: &[u8], signature: &str) -> bool {
    let signed = Signed { timestamp, nonce, body };
    signed.check(encrypt_key, signature).is_some()
}

/// The signature of the old card callback (`card.action.trigger_v1`): SHA-1, with the Verification Token as key.
pub fn sign_card_v1(timestamp: &str, nonce: &str, verification_token: &Secret, body: &[u8]) -> String {
    let signed = Signed { timestamp, nonce, body };
    hex(&signed.sha1(verification_token))
}

/// The bytes of hexadecimal text of exactly this length.
fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}
