//! The one place that prints: results on stdout, everything else on stderr.

use std::borrow::Cow;
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
            harmless_json(&serde_json::to_string(value)?).into_owned()
        } else {
            harmless(&text()).into_owned()
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", line.trim_end())?;
        out.flush()
    }

    /// Something to know that is no result.
    #[expect(clippy::unused_self, reason = "who may print is who has this")]
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", harmless(text));
    }

    /// How far it is, where somebody looks at a terminal; the next one takes its place.
    pub(crate) fn progress(&self, text: &str) {
        if !self.json && io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[K{}", one_line(text));
            let _ = io::stderr().flush();
        }
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

/// Whether a terminal would do something on this character, or show the others in another order.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Text from anywhere, that no terminal obeys; lines and tabs stay.
fn harmless(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_harmful(c) && c != '\n' && c != '\t')
}

/// Text from outside for the middle of a line: it cannot begin one that looks like ours.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// The same JSON. Of what terminals obey, JSON itself escapes the first 32 characters only.
fn harmless_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The time of day where the user is.
pub(crate) fn time_of_day(at: TimestampMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// Day and time where the user is.
pub(crate) fn day_and_time(at: TimestampMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
    let at = at.to_zoned(TimeZone::system());
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// `1 app`, `2 apps`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_obeys_what_came_from_outside() {
        let nasty = "a\x1b[2J\u{9b}31m\r\u{202e}é\tb\nc";
        assert_eq!(harmless(nasty), "a\\u{1b}[2J\\u{9b}31m\\r\\u{202e}é\tb\nc");
        assert_eq!(one_line(nasty), "a\\u{1b}[2J\\u{9b}31m\\r\\u{202e}é\\tb\\nc");
        assert!(matches!(harmless("plain, 中文"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let nasty = serde_json::json!({ "answer": "a\x1b\u{9b}31m\u{202e}中" });
        let json = nasty.to_string();
        let safe = harmless_json(&json);
        assert!(!safe.chars().any(is_harmful), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), nasty);
    }
}
