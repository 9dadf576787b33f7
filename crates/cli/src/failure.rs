//! How a command fails: the exit code, the error, and what to do about it.

use std::process::ExitCode;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotAllowed = 3,
    Unreachable = 4,
    TimedOut = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
        }
    }

    pub(crate) fn msg(exit: Exit, msg: impl Into<String>) -> Self {
        Self::new(exit, anyhow::Error::msg(msg.into()))
    }

    /// The same, with what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it; every failure has something.
    pub(crate) fn hint(&self) -> &str {
        match (&self.hint, self.exit) {
            (Some(hint), _) => hint,
            (None, Exit::Usage) => "see `larkspur help`, and `--help` of the command",
            (None, Exit::NotAllowed) => "give a token that may do this with --token or LARKSPUR_TOKEN",
            (None, Exit::TimedOut) => "try again, and see in the log of the platform what it is busy with",
            (None, Exit::Done | Exit::Failed | Exit::Unreachable) => "run it again with -vv to see what led to it",
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, error)
    }
}
