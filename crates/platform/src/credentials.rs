//! What an app is given: its id and its secrets, from random bytes that the caller brings.

use larkspur_wire::{AppId, Secret, hex};

/// Random bytes for everything a new app, or a reset, may need.
#[derive(Clone, Copy)]
pub struct Entropy(pub [u8; 56]);

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy([redacted])")
    }
}

impl Entropy {
    /// `cli_` and 16 hexadecimal digits.
    pub fn app_id(&self) -> AppId {
        AppId::mint(self.part(0))
    }

    /// 32 hexadecimal digits, 128 bits.
    pub fn app_secret(&self) -> Secret {
        secret(self.part(8))
    }

    /// 32 hexadecimal digits, the most that Feishu allows.
    pub fn verification_token(&self) -> Secret {
        secret(self.part(24))
    }

    /// 32 hexadecimal digits, the most that Feishu allows.
    pub fn encrypt_key(&self) -> Secret {
        secret(self.part(40))
    }

    fn part<const N: usize>(&self, start: usize) -> [u8; N] {
        std::array::from_fn(|i| self.0[start + i])
    }
}

fn secret(bytes: [u8; 16]) -> Secret {
    Secret::from(hex(&bytes))
}
