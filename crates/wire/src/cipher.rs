//! Sealing and opening bodies with the Encrypt Key.
//!
//! AES-256-CBC under SHA-256 of the key, padded by PKCS#7, the initialisation vector in front, all of it in base64. See
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case>.

use std::fmt;

use aes::{Aes256, Aes256Dec};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit};

use crate::{Secret, sha256};

const BLOCK_BYTES: usize = 16;

/// A sealed body that does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not base64.
    #[error("the encrypted body is not base64")]
    NotBase64,
    /// It is too short for an initialisation vector and one block.
    #[error("the encrypted body has {bytes} bytes, and the least is 32")]
    TooShort {
        /// How many there are.
        bytes: usize,
    },
    /// It was cut, or it is something else.
    #[error("the encrypted body has {bytes} bytes, which is no multiple of 16")]
    NotBlocks {
        /// How many there are.
        bytes: usize,
    },
    /// The padding is wrong, which nearly always means another key.
    #[error("the encrypted body does not open, most likely because it was sealed with another Encrypt Key")]
    WrongKey,
}

/// Seals a body: base64 of the initialisation vector and the ciphertext. `iv` must be random and never used again.
///
/// ```
/// use larkspur_wire::{Secret, open, seal};
/// let key = Secret::from("test key");
/// let sealed = seal(b"hello world", &key, [7; 16]);
/// assert_eq!(open(&sealed, &key)?, b"hello world");
/// # Ok::<(), larkspur_wire::OpenError>(())
/// ```
pub fn seal(plain: &[u8], encrypt_key: &Secret, iv: [u8; 16]) -> String {
    BASE64.encode(sealed(plain, encrypt_key, iv))
}

/// The body that carries a sealed one: exactly `{"encrypt":"…"}`, since Node signs what it has parsed and written again.
pub fn seal_body(plain: &[u8], encrypt_key: &Secret, iv: [u8; 16]) -> Vec<u8> {
    const START: &[u8] = br#"{"encrypt":""#;
    const END: &[u8] = br#""}"#;
    let sealed = sealed(plain, encrypt_key, iv);
    let base64_bytes = sealed.len().div_ceil(3) * 4;
    let mut body = Vec::with_capacity(START.len() + base64_bytes + END.len());
    body.extend_from_slice(START);
    body.resize(START.len() + base64_bytes, 0);
    let encoded = BASE64.encode_slice(sealed, &mut body[START.len()..]);
    encoded.expect("there is room for every digit");
    body.extend_from_slice(END);
    body
}

/// The initialisation vector, and the ciphertext in place of the body.
fn sealed(plain: &[u8], encrypt_key: &Secret, iv: [u8; 16]) -> Vec<u8> {
    let cipher = cbc::Encryptor::<Aes256>::new(&aes_key(encrypt_key).into(), &iv.into());
    let padded = (plain.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let mut sealed = Vec::with_capacity(BLOCK_BYTES + padded);
    sealed.extend_from_slice(&iv);
    sealed.extend_from_slice(plain);
    sealed.resize(BLOCK_BYTES + padded, 0);
    let encrypted = cipher.encrypt_padded::<Pkcs7>(&mut sealed[BLOCK_BYTES..], plain.len());
    encrypted.expect("there is room for the padding");
    sealed
}

/// Opens what [`seal`] made. Who opens many bodies with one key makes an [`Opener`].
pub fn open(sealed: &str, encrypt_key: &Secret) -> Result<Vec<u8>, OpenError> {
    Opener::new(encrypt_key).open(sealed)
}

/// An Encrypt Key made ready for opening: what depends on the key alone is computed once.
#[derive(Clone)]
pub struct Opener {
    cipher: Aes256Dec,
}

impl Opener {
    /// Makes a key ready.
    pub fn new(encrypt_key: &Secret) -> Self {
        Self {
            cipher: Aes256Dec::new(&aes_key(encrypt_key).into()),
        }
    }

    /// Opens what [`seal`] made.
    pub fn open(&self, sealed: &str) -> Result<Vec<u8>, OpenError> {
        let mut bytes = BASE64.decode(sealed).map_err(|_| OpenError::NotBase64)?;
        let count = bytes.len();
        let too_short = OpenError::TooShort { bytes: count };
        let Some((iv, blocks)) = bytes.split_first_chunk::<BLOCK_BYTES>() else {
            return Err(too_short);
        };
        if blocks.len() < BLOCK_BYTES {
            return Err(too_short);
        }
        if !blocks.len().is_multiple_of(BLOCK_BYTES) {
            return Err(OpenError::NotBlocks { bytes: count });
        }
        let cipher = cbc::Decryptor::inner_iv_init(self.cipher.clone(), &(*iv).into());
        bytes.drain(..BLOCK_BYTES);
        let plain = cipher.decrypt_padded::<Pkcs7>(&mut bytes);
        let length = plain.map_err(|_| OpenError::WrongKey)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener([redacted])")
    }
}

fn aes_key(encrypt_key: &Secret) -> [u8; 32] {
    sha256([encrypt_key.expose().as_bytes()])
}
