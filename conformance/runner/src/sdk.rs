//! The SDKs under proof: which versions, and what each is known to do where they differ.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// One SDK at one version, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Sdk {
    pub(crate) language: Language,
    pub(crate) version: String,
    pub(crate) command: Vec<OsString>,
    /// Where it is installed.
    pub(crate) folder: PathBuf,
}

/// Whose SDK it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Larkspur's own.
    Rust,
    /// `lark-oapi`.
    Python,
    /// `@larksuiteoapi/node-sdk`.
    Node,
    /// `github.com/larksuite/oapi-sdk-go/v3`.
    Go,
    /// `com.larksuite.oapi:oapi-sdk`.
    Java,
}

impl Language {
    pub(crate) const ALL: [Self; 5] = [Self::Rust, Self::Python, Self::Node, Self::Go, Self::Java];

    /// The versions run, newest first. A second one is the one that the known facts were taken from, where it is not
    /// the newest and the registry still has it.
    pub(crate) fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[env!("CARGO_PKG_VERSION")],
            Self::Python => &["1.7.5"],
            Self::Node => &["1.74.0"],
            Self::Go => &["3.12.0", "3.5.3"],
            Self::Java => &["2.5.3", "2.3.7"],
        }
    }

    /// Whether this version has callbacks.
    pub(crate) fn answers_callbacks(self, version: &str) -> bool {
        self != Self::Java || !version.starts_with("2.3.")
    }

    /// Whether it has a handler for the old card callback.
    pub(crate) fn answers_old_cards(self) -> bool {
        self != Self::Rust
    }

    /// The code that a persistent connection acknowledges an event with that nobody handles.
    pub(crate) fn unknown_ack(self) -> i64 {
        match self {
            Self::Rust | Self::Node => 200,
            Self::Python | Self::Go | Self::Java => 500,
        }
    }

    /// The status that a webhook answers an event with that nobody handles.
    pub(crate) fn unknown_status(self) -> i64 {
        match self {
            Self::Rust | Self::Node | Self::Go | Self::Java => 200,
            Self::Python => 500,
        }
    }

    /// The status that a forged request gets. Node hides its refusal.
    pub(crate) fn forged_status(self) -> u16 {
        match self {
            Self::Rust => 403,
            Self::Node => 200,
            Self::Python | Self::Go | Self::Java => 500,
        }
    }

    /// Whether a webhook handler that throws takes the whole process down.
    pub(crate) fn dies_of_a_failing_webhook_handler(self) -> bool {
        self == Self::Node
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
            Self::Java => "java",
        })
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.language, self.version)
    }
}
