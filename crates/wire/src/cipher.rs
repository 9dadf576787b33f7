//! Sealing and opening bodies with the Encrypt Key.
//!
//! AES-256-CBC under SHA-256 of the key, padded by PKCS#7, the initialisation vector in front, all of it in base64. See
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case>.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};

use crate::Secret;

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
    let cipher = cbc::Encryptor::<Aes256>::new(&aes_key(encrypt_key).into(), &iv.into());
    let mut sealed = Vec::with_capacity(BLOCK_BYTES + plain.len() + BLOCK_BYTES);
    sealed.extend_from_slice(&iv);
    sealed.extend_from_slice(&cipher.encrypt_padded_vec::<Pkcs7>(plain));
    BASE64.encode(sealed)
}

/// The body that carries a sealed one: exactly `{"encrypt":"…"}`, since Node signs what it has parsed and written again.
pub fn seal_body(plain: &[u8], encrypt_key: &Secret, iv: [u8; 16]) -> Vec<u8> {
    format!(r#"{{"encrypt":"{}"}}"#, seal(plain, encrypt_key, iv)).into_bytes()
}

/// Opens what [`seal`] made.
pub fn open(sealed: &str, encrypt_key: &Secret) -> Result<Vec<u8>, OpenError> {
    let bytes = BASE64.decode(sealed).map_err(|_| OpenError::NotBase64)?;
    if bytes.len() < 2 * BLOCK_BYTES {
        return Err(OpenError::TooShort { bytes: bytes.len() });
    }
    let (iv, blocks) = bytes
        .split_first_chunk::<BLOCK_BYTES>()
        .ok_or(OpenError::TooShort { bytes: bytes.len() })?;
    if !blocks.len().is_multiple_of(BLOCK_BYTES) {
        return Err(OpenError::NotBlocks { bytes: bytes.len() });
    }
    let cipher = cbc::Decryptor::<Aes256>::new(&aes_key(encrypt_key).into(), &(*iv).into());
    cipher
        .decrypt_padded_vec::<Pkcs7>(blocks)
        .map_err(|_| OpenError::WrongKey)
}

fn aes_key(encrypt_key: &Secret) -> [u8; 32] {
    Sha256::digest(encrypt_key.expose()).into()
}
