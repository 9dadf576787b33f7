//! The sample programs of the official documents, cut out of them and made to run with edits that are kept as data.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::payload::TYPES;
use crate::sdk::Language;

/// The edits, beside the subscribers.
const EDITS: &str = include_str!("../../samples.toml");

/// One program, as printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) language: Language,
    pub(crate) webhook: bool,
    pub(crate) event_type: &'static str,
    pub(crate) source: String,
}

/// A program made to run.
#[derive(Clone, Debug)]
pub(crate) struct Edited {
    pub(crate) source: String,
    /// How many lines differ from the printed program.
    pub(crate) changed: usize,
}

/// All edits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edits {
    edit: Vec<Edit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    language: String,
    mode: Option<String>,
    types: Option<Vec<String>>,
    /// The whole line, where the text to find is part of others too.
    line: Option<String>,
    find: String,
    replace: String,
    why: String,
}

/// Where a program begins: the text to look for, and the line before it that is its first, if there is one.
const MARKS: [(Language, bool, &str, Option<&str>); 8] = [
    (Language::Go, false, "package main", None),
    (Language::Python, false, "# SDK ", None),
    (Language::Java, false, "package com.", None),
    (Language::Node, false, "import * as Lark from", Some("// SDK ")),
    (Language::Go, true, "package main", None),
    (Language::Python, true, "# SDK ", None),
    (Language::Java, true, "package com.", None),
    (Language::Node, true, "import http from", Some("// SDK ")),
];

/// Cuts the eight programs out of a document.
pub(crate) fn cut(document: &str) -> Result<Vec<Sample>> {
    let event_type = TYPES
        .into_iter()
        .find(|name| document.contains(&format!("'{name}': async")));
    let event_type = event_type.context("no program of the document handles one of the five events")?;
    let mut starts = Vec::new();
    let mut after = 0;
    for (language, _, mark, first_line) in MARKS {
        let found = document[after..]
            .find(mark)
            .with_context(|| format!("`{mark}` of {language} is missing"))?;
        let found = after + found;
        starts.push(
            first_line
                .and_then(|line| document[after..found].rfind(line))
                .map_or(found, |at| after + at),
        );
        after = found + mark.len();
    }
    let ends = starts.iter().copied().skip(1).chain([document.len()]);
    let samples = MARKS
        .iter()
        .zip(starts.iter().zip(ends))
        .map(|((language, webhook, ..), (start, end))| {
            let text = &document[*start..end];
            // Some documents wrap each program in a panel of a page.
            let text = text.split("</md-code-tab-panel>").next().unwrap_or(text);
            Sample {
                language: *language,
                webhook: *webhook,
                event_type,
                source: text.trim_end().to_owned(),
            }
        });
    Ok(samples.collect())
}

impl Edits {
    pub(crate) fn read() -> Result<Self> {
        toml::from_str(EDITS).context("samples.toml cannot be read")
    }

    /// Makes the edits that are for this program, and fills in the values.
    pub(crate) fn apply(&self, sample: &Sample, values: &[(&str, &str)]) -> Result<Edited> {
        let mut lines: Vec<String> = sample.source.lines().map(str::to_owned).collect();
        let mut changed = 0;
        for edit in self.edit.iter().filter(|edit| edit.is_for(sample)) {
            let fits = |line: &String| match &edit.line {
                Some(whole) => line == whole,
                None => line.contains(&edit.find),
            };
            let at: Vec<_> = (0..lines.len()).filter(|at| fits(&lines[*at])).collect();
            ensure!(
                at.len() == 1,
                "`{}` ({}) is on {} lines instead of one",
                edit.find,
                edit.why,
                at.len()
            );
            let before = lines.remove(at[0]);
            let mut replace = edit.replace.clone();
            for (name, value) in values {
                replace = replace.replace(&format!("{{{name}}}"), value);
            }
            let after = before.replacen(&edit.find, &replace, 1);
            let after: Vec<_> = after
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned)
                .collect();
            changed += after.iter().filter(|line| **line != before).count().max(1);
            lines.splice(at[0]..at[0], after);
        }
        Ok(Edited {
            source: lines.join("\n") + "\n",
            changed,
        })
    }
}

impl Edit {
    fn is_for(&self, sample: &Sample) -> bool {
        let mode = if sample.webhook { "webhook" } else { "ws" };
        self.language == sample.language.to_string()
            && self.mode.as_ref().is_none_or(|own| own == mode)
            && self
                .types
                .as_ref()
                .is_none_or(|types| types.iter().any(|own| own == sample.event_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> String {
        let node = "'hire.eco_exam.created_v1': async (data) => {}";
        [
            "text\npackage main\nws in Go\n}# SDK guide\nws in Python\n",
            "package com.x;\n// SDK guide\nws in Java\n}// SDK guide\nimport * as Lark from 'sdk';\n",
            node,
            "\n</md-code-tab-panel>\n<panel>\npackage main\nhook in Go\n# SDK guide\nhook in Python\n",
            "package com.x;\nhook in Java\n// SDK guide\nimport http from 'http';\nhook in Node\n",
        ]
        .concat()
    }

    #[test]
    fn eight_programs_are_cut_out_whole() -> Result<()> {
        let samples = cut(&document())?;
        let sources: Vec<_> = samples.iter().map(|sample| sample.source.as_str()).collect();
        assert_eq!(sources.len(), 8);
        assert_eq!(sources[0], "package main\nws in Go\n}");
        assert_eq!(sources[2], "package com.x;\n// SDK guide\nws in Java\n}");
        assert!(sources[3].starts_with("// SDK guide\nimport * as Lark") && sources[3].ends_with("=> {}"));
        assert_eq!(sources[7], "// SDK guide\nimport http from 'http';\nhook in Node");
        Ok(())
    }

    #[test]
    fn an_edit_that_fits_nowhere_is_an_error_and_changed_lines_are_counted() -> Result<()> {
        let edits: Edits = toml::from_str(
            "[[edit]]\nlanguage = 'go'\nfind = 'a'\nreplace = '{port}\nb'\nwhy = 'w'\n"
                .replace("'{port}\nb'", "\"{port}\\nb\"")
                .as_str(),
        )?;
        let sample = |source: &str| Sample {
            language: Language::Go,
            webhook: false,
            event_type: TYPES[0],
            source: source.to_owned(),
        };
        let edited = edits.apply(&sample("x\na\ny"), &[("port", "7")])?;
        assert_eq!((edited.source.as_str(), edited.changed), ("x\n7\nb\ny\n", 2));
        assert!(edits.apply(&sample("x"), &[]).is_err());
        assert!(edits.apply(&sample("a\na"), &[]).is_err());
        Ok(())
    }
}
