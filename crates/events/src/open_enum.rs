//! Enums that take values which the catalogue does not list.

/// Gives an enum of texts or whole numbers its conversions and makes it a type of field; values that are not listed
/// go to its arm `Unlisted`.
macro_rules! open_enum {
    ($name:ident: String { $($arm:ident = $value:literal),* $(,)? }) => {
        impl $name {
            /// The value as it is sent.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$arm => $value,)*
                    Self::Unlisted(value) => value,
                }
            }
        }

        impl From<String> for $name {
            fn from(value: String) -> Self {
                match value.as_str() {
                    $($value => Self::$arm,)*
                    _ => Self::Unlisted(value),
                }
            }
        }

        impl $crate::part::Part for $name {
            fn fits(node: &$crate::node::Node<'_>) -> bool {
                String::fits(node)
            }
            fn read(node: $crate::node::Node<'_>, _: &mut usize) -> Option<Self> {
                let value = $crate::part::text(node)?;
                Some(match &*value {
                    $($value => Self::$arm,)*
                    _ => Self::Unlisted(value.into_owned()),
                })
            }
            fn written(&self) -> $crate::part::Written<'_> {
                $crate::part::Written::Text(self.as_str())
            }
        }
    };
    ($name:ident: i64 { $($arm:ident = $value:literal),* $(,)? }) => {
        impl $name {
            /// The value as it is sent.
            pub fn as_i64(self) -> i64 {
                match self {
                    $(Self::$arm => $value,)*
                    Self::Unlisted(value) => value,
                }
            }
        }

        impl From<i64> for $name {
            fn from(value: i64) -> Self {
                match value {
                    $($value => Self::$arm,)*
                    _ => Self::Unlisted(value),
                }
            }
        }

        impl $crate::part::Part for $name {
            fn fits(node: &$crate::node::Node<'_>) -> bool {
                i64::fits(node)
            }
            fn read(node: $crate::node::Node<'_>, drift: &mut usize) -> Option<Self> {
                i64::read(node, drift).map(Self::from)
            }
            fn written(&self) -> $crate::part::Written<'_> {
                $crate::part::Written::Int(self.as_i64())
            }
        }
    };
}

pub(crate) use open_enum;
