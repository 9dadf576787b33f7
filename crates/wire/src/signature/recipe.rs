//! Wrong recipes for a signature that are in use, told apart so that a refusal can say what to change.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Signed;
use crate::{Secret, hex, sha256};

/// SHA-256 works on blocks of this size, which is what an HMAC pads its key to.
const HMAC_BLOCK_BYTES: usize = 64;

/// How a signature that does not fit was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrongRecipe {
    /// An HMAC instead of a plain hash, whatever its key and message.
    Hmac,
    /// The Encrypt Key was left out.
    NoKey,
    /// The Verification Token in the place of the Encrypt Key.
    TokenAsKey,
    /// Base64 instead of hexadecimal digits.
    Base64,
    /// SHA-1, which only the old card callback is signed with.
    Sha1,
    /// Over the opened body instead of the bytes on the wire.
    OpenedBody,
}

impl fmt::Display for WrongRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac => "it is an HMAC, and must be a plain SHA-256",
            Self::NoKey => "it was made without the Encrypt Key",
            Self::TokenAsKey => "it was made with the Verification Token in the place of the Encrypt Key",
            Self::Base64 => "it is base64, and must be hexadecimal digits",
            Self::Sha1 => "it is SHA-1, which only the old card callback is signed with",
            Self::OpenedBody => "it was made over the opened body, and must be made over the bytes on the wire",
        })
    }
}

impl WrongRecipe {
    /// How a signature that does not fit was made, if in a way that is known; `opened` is the body without its seal.
    ///
    /// ```
    /// use larkspur_wire::{Secret, Signed, WrongRecipe, sign};
    /// let request = Signed { timestamp: "1608725989", nonce: "nonce123", body: b"{}" };
    /// let signature = sign("1608725989", "nonce123", &Secret::from(""), b"{}");
    /// let found = WrongRecipe::find(&request, &"key".into(), &"token".into(), None, &signature);
    /// assert_eq!(found, Some(WrongRecipe::NoKey));
    /// ```
    pub fn find(
        request: &Signed<'_>,
        encrypt_key: &Secret,
        verification_token: &Secret,
        opened: Option<&[u8]>,
        signature: &str,
    ) -> Option<Self> {
        let is = |hash: &[u8]| signature.eq_ignore_ascii_case(&hex(hash)) || signature == BASE64.encode(hash);
        if signature == BASE64.encode(request.sha256(encrypt_key)) {
            return Some(Self::Base64);
        }
        if is(&request.sha256(&Secret::default())) {
            return Some(Self::NoKey);
        }
        if is(&request.sha256(verification_token)) {
            return Some(Self::TokenAsKey);
        }
        if is(&request.sha1(verification_token)) || is(&request.sha1(encrypt_key)) {
            return Some(Self::Sha1);
        }
        if opened.is_some_and(|body| is(&Signed { body, ..*request }.sha256(encrypt_key))) {
            return Some(Self::OpenedBody);
        }
        let Signed { timestamp, nonce, body } = *request;
        let before = [timestamp.as_bytes(), nonce.as_bytes()].concat();
        let with_key = [before.as_slice(), encrypt_key.expose().as_bytes()].concat();
        let keys = [encrypt_key, verification_token];
        let hmac = keys.iter().any(|key| {
            [&before[..], &with_key[..], &[]]
                .iter()
                .any(|before| is(&hmac(key.expose().as_bytes(), before, body)))
        });
        hmac.then_some(Self::Hmac)
    }
}

/// HMAC-SHA-256 by RFC 2104; it names a mistake and protects nothing.
fn hmac(key: &[u8], before: &[u8], body: &[u8]) -> [u8; 32] {
    let mut padded = [0; HMAC_BLOCK_BYTES];
    if key.len() > HMAC_BLOCK_BYTES {
        padded[..32].copy_from_slice(&sha256([key]));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let inner = sha256([&padded.map(|byte| byte ^ 0x36)[..], before, body]);
    sha256([&padded.map(|byte| byte ^ 0x5c)[..], &inner])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sign, sign_card_v1};

    #[test]
    fn an_hmac_is_that_of_the_rfc() {
        // RFC 4231, test case 2.
        let mac = hmac(b"Jefe", b"what do ya want ", b"for nothing?");
        assert_eq!(
            hex(&mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_known_mistake_is_told_apart() {
        let (key, token) = (Secret::from("key"), Secret::from("token"));
        let request = Signed {
            timestamp: "1",
            nonce: "n",
            body: b"sealed",
        };
        let right = request.sha256(&key);
        let hmac_of = |key: &[u8], before: &[u8]| hex(&hmac(key, before, b"sealed"));
        let wrong = [
            (BASE64.encode(right), WrongRecipe::Base64),
            (sign("1", "n", &Secret::default(), b"sealed"), WrongRecipe::NoKey),
            (sign("1", "n", &token, b"sealed"), WrongRecipe::TokenAsKey),
            (sign_card_v1("1", "n", &token, b"sealed"), WrongRecipe::Sha1),
            (sign("1", "n", &key, b"opened"), WrongRecipe::OpenedBody),
            (hmac_of(b"key", b"1n"), WrongRecipe::Hmac),
            (hmac_of(b"token", b""), WrongRecipe::Hmac),
        ];
        for (signature, recipe) in wrong {
            assert_eq!(
                WrongRecipe::find(&request, &key, &token, Some(b"opened"), &signature),
                Some(recipe)
            );
        }
        let other = sign("1", "n", &"another key".into(), b"sealed");
        assert_eq!(WrongRecipe::find(&request, &key, &token, None, &other), None);
    }
}
