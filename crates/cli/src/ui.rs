//! The one place that prints: results on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use larkspur::TimestampMs;
use serde::Serialize;

use crate::failure::Failure;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// JSON, one value a line.
    pub(crate) json: bool,
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result, as JSON or as text. A reader that went away ends nothing: the work is done all the same.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let _ = self.hand_over(value, text);
    }

    /// A result that is worth nothing unless somebody reads it.
    ///
    /// # Errors
    ///
    /// When nobody reads any more.
    pub(crate) fn hand_over(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let line = if self.json {
            serde_json::to_string(value)?
        } else {
            text()
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", line.trim_end())?;
        out.flush()
    }

    /// Something to know that is no result.
    #[expect(clippy::unused_self, reason = "who may print is who has this")]
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Why the command failed, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let chain: Vec<String> = failure.error.chain().map(ToString::to_string).collect();
            let value = serde_json::json!({ "error": chain.join(": "), "hint": failure.hint() });
            return self.note(&value.to_string());
        }
        self.note(&format!("error: {}", failure.error));
        for source in failure.error.chain().skip(1) {
            self.note(&format!("  because: {source}"));
        }
        self.note(&format!("hint: {}", failure.hint()));
    }
}

/// Whether stderr takes colours: it is a terminal, and its owner has not said otherwise.
///
/// <https://no-color.org>
pub(crate) fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// The time of day where the user is.
pub(crate) fn time_of_day(at: TimestampMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// `1 app`, `2 apps`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
