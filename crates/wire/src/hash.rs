//! SHA-256: in Rust by default, or by `ring`, which is nearly twice as fast on processors without instructions for it.

/// SHA-256 over parts, one after the other.
///
/// ```
/// use larkspur_wire::{hex, sha256};
/// let hash = sha256([b"a".as_slice(), b"bc"]);
/// assert_eq!(hex(&hash[..4]), "ba7816bf");
/// ```
#[cfg(not(feature = "ring"))]
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let hash = parts.into_iter().fold(Sha256::new(), Sha256::chain_update);
    hash.finalize().into()
}

/// SHA-256 over parts, one after the other.
///
/// ```
/// use larkspur_wire::{hex, sha256};
/// let hash = sha256([b"a".as_slice(), b"bc"]);
/// assert_eq!(hex(&hash[..4]), "ba7816bf");
/// ```
#[cfg(feature = "ring")]
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    parts.into_iter().for_each(|part| hash.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}
