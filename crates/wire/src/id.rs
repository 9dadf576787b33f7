//! Ids, each a type of its own, so that an app can never be passed for a tenant.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text that is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not {expected}")]
pub struct IdError {
    shown: String,
    expected: &'static str,
}

/// How much of a wrong id an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// Defines an id: its documentation, what it must look like, and the check.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether this text is one.
            pub fn fits(text: &str) -> bool {
                let check: fn(&str) -> bool = $check;
                check(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                if Self::fits(&text) {
                    return Ok(Self(text.into()));
                }
                Err(IdError { shown: text.chars().take(SHOWN_CHARS_MAX).collect(), expected: $expected })
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.to_owned().try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// Names an app: `cli_` and, for apps made by this platform, 16 hexadecimal digits.
    ///
    /// ```
    /// let app: larkspur_wire::AppId = "cli_9f5343c580712544".parse()?;
    /// # Ok::<(), larkspur_wire::IdError>(())
    /// ```
    AppId, "an App ID: `cli_` and 1 to 60 letters and digits",
    |text| text.strip_prefix("cli_").is_some_and(|rest| fits(rest, 60, |b| b.is_ascii_alphanumeric()))
}

id! {
    /// Names one event; the same in every push of it, and the key by which a receiver drops repeats.
    EventId, "an event id: 1 to 128 visible ASCII characters", |text| fits(text, 128, |b| b.is_ascii_graphic())
}

id! {
    /// The kind of an event, for example `hire.eco_exam.created_v1`; the routing key.
    EventType, "an event type: 1 to 128 letters, digits, `.` and `_`",
    |text| fits(text, 128, |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
}

id! {
    /// Names a tenant, a company that has an app installed.
    TenantKey, "a tenant key: 1 to 64 letters, digits, `-` and `_`",
    |text| fits(text, 64, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

id! {
    /// Names one message on a persistent connection; all of its fragments and its ack share it.
    MessageId, "a message id: 1 to 256 printable ASCII characters",
    |text| fits(text, 256, |b| b.is_ascii_graphic() || b == b' ')
}

id! {
    /// A permission, for example `contact:user.employee_id:readonly`.
    Scope, "a scope: 1 to 128 letters, digits and `:._-`",
    |text| fits(text, 128, |b| b.is_ascii_alphanumeric() || b":._-".contains(&b))
}

fn fits(text: &str, bytes_max: usize, allowed: fn(u8) -> bool) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(allowed)
}

impl AppId {
    /// `cli_` and the bytes as 16 hexadecimal digits, the only form that the Node SDK accepts.
    pub fn mint(random: [u8; 8]) -> Self {
        Self(format!("cli_{}", hex(&random)).into())
    }
}

impl EventId {
    /// 32 hexadecimal digits, as official event ids have.
    pub fn mint(random: [u8; 16]) -> Self {
        Self(hex(&random).into())
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = vec![0; 2 * bytes.len()];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 0xf].map(|half| DIGITS[usize::from(half)]);
    }
    String::from_utf8(text).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_have_the_official_form() {
        assert_eq!(
            AppId::mint([0x9f, 0x53, 0x43, 0xc5, 0x80, 0x71, 0x25, 0x44]).as_str(),
            "cli_9f5343c580712544"
        );
        assert_eq!(EventId::mint([0xab; 16]).as_str(), "ab".repeat(16));
    }

    #[test]
    fn what_is_no_id_is_refused_and_shown_shortened() {
        for wrong in ["", "cli_", "9f5343c580712544", "cli_a b", "cli_ä"] {
            assert!(wrong.parse::<AppId>().is_err(), "{wrong:?}");
        }
        assert!("a\nb".parse::<EventId>().is_err());
        assert!("im message".parse::<EventType>().is_err());
        let error = "x".repeat(500).parse::<Scope>().unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }

    #[test]
    fn json_is_checked_too() {
        assert!(serde_json::from_str::<EventType>(r#""im.message.receive_v1""#).is_ok());
        assert!(serde_json::from_str::<EventType>(r#""im message""#).is_err());
    }
}
