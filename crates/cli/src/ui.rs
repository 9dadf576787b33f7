//! The one place that prints: results on stdout, everything else on stderr.

use std::io::Write;

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
        let line = if self.json {
            serde_json::to_string(value).unwrap_or_default()
        } else {
            text()
        };
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", line.trim_end()).and_then(|()| out.flush());
    }

    /// Something to know that is no result.
    #[expect(clippy::unused_self, reason = "who may print is who has this")]
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Why the command failed, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let chain: Vec<String> = failure.error.chain().map(ToString::to_string).collect();
            self.note(&serde_json::json!({ "error": chain.join(": "), "hint": failure.hint }).to_string());
            return;
        }
        self.note(&format!("error: {}", failure.error));
        for source in failure.error.chain().skip(1) {
            self.note(&format!("  because: {source}"));
        }
        if let Some(hint) = &failure.hint {
            self.note(&format!("hint: {hint}"));
        }
    }
}
