//! What is printed: a table for people, or one JSON object.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::machine::Machine;

/// A case by its name, with what it is to reach.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) reach: &'static str,
}

/// What one SDK showed in a case.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Row {
    case: &'static str,
    who: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_installed: bool,
    #[serde(flatten)]
    figures: BTreeMap<&'static str, f64>,
}

impl Row {
    pub(super) fn new(case: &'static str, who: &str) -> Self {
        Self {
            case,
            who: who.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn failed(case: &'static str, who: &str, error: &anyhow::Error) -> Self {
        Self {
            error: Some(format!("{error:#}")),
            ..Self::new(case, who)
        }
    }

    pub(super) fn absent(case: &'static str, who: &str) -> Self {
        Self {
            not_installed: true,
            ..Self::new(case, who)
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.insert(name, (value * 1_000.0).round() / 1_000.0);
        self
    }

    pub(super) fn is_failure(&self) -> bool {
        self.error.is_some()
    }
}

/// What the figures were measured on.
pub(super) fn head(machine: &Machine) -> String {
    let Machine {
        cores,
        processor,
        kernel,
    } = machine;
    format!("{cores} cores, {processor}, Linux {kernel}\n")
}

/// A case and its rows.
pub(super) fn case(case: &Case, rows: &[Row]) -> String {
    let mut text = format!("{}: {}\n    to reach: {}\n", case.name, case.about, case.reach);
    for row in rows {
        text += &format!("    {:<24}", row.who);
        if let Some(error) = &row.error {
            text += &format!("failed: {error}");
        } else if row.not_installed {
            text += "not installed; `cargo xtask conformance` installs it";
        }
        let figures: Vec<_> = row
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        text += &figures.join("  ");
        text.push('\n');
    }
    text
}

/// One object with everything.
pub(super) fn json(machine: &Machine, seconds: f64, rows: &[Row]) -> String {
    json!({ "machine": machine, "seconds": seconds, "rows": rows }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_measured_or_why_nothing_was() {
        let rows = [
            Row::new("start", "larkspur").with("ms", 1.2345),
            Row::absent("start", "python 1.7.5"),
            Row::failed("start", "node 1.74.0", &anyhow::anyhow!("it hangs")),
        ];
        assert_eq!(rows.iter().filter(|row| row.is_failure()).count(), 1);
        let case = Case {
            name: "start",
            about: "a",
            reach: "r",
        };
        let text = super::case(&case, &rows);
        assert!(
            text.contains("ms 1.23") && text.contains("not installed") && text.contains("it hangs"),
            "{text}"
        );
        let row = serde_json::to_value(&rows[0]).unwrap();
        assert_eq!(
            row,
            serde_json::json!({"case": "start", "who": "larkspur", "ms": 1.235})
        );
    }
}
