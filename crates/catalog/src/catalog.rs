//! Reading the data files, and finding things in them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use crate::facts::{EventTypeFacts, Kind};
use crate::scope::{Scope, ScopeData};

static DATA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog");
static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| {
    let files = embedded_files();
    let names = files
        .keys()
        .filter_map(|path| path.strip_prefix("events/")?.strip_suffix(".json"));
    let types: Vec<String> = names.map(str::to_owned).collect();
    Catalog::read(|path| files.get(path).copied(), &types).expect("the embedded data is checked by tests")
});

/// Longer suggestions than a few slips of the finger would be guesses.
const SUGGESTION_EDITS_MAX: usize = 8;

/// Data files that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file is missing or cannot be opened.
    #[error("the catalogue has no readable `{}`", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A file is not what its schema says.
    #[error("the catalogue's `{}` is wrong at `{at}`", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where in it.
        at: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Every event type, callback and scope.
#[derive(Debug)]
pub struct Catalog {
    events: BTreeMap<String, EventTypeFacts>,
    callbacks: BTreeMap<String, EventTypeFacts>,
    scopes: BTreeMap<String, Scope>,
}

impl Catalog {
    /// The catalogue that was built in.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a folder of the same form. Its text is kept for the life of the process.
    pub fn from_dir(dir: &Path) -> Result<Self, CatalogError> {
        let missing = |path: &Path| CatalogError::Missing { path: path.to_owned() };
        let events = dir.join("events");
        let entries = std::fs::read_dir(&events).map_err(|_| missing(&events))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut types: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
            .collect();
        types.sort();
        Self::read(
            |path| std::fs::read_to_string(dir.join(path)).ok().map(|text| &*text.leak()),
            &types,
        )
    }

    fn read(file: impl Fn(&str) -> Option<&'static str>, types: &[String]) -> Result<Self, CatalogError> {
        let text = |path: &str| file(path).ok_or_else(|| CatalogError::Missing { path: path.into() });
        let mut events = BTreeMap::new();
        for event_type in types {
            let path = format!("events/{event_type}.json");
            let mut facts: EventTypeFacts = parse(&path, text(&path)?)?;
            facts.example = file(&format!("examples/{event_type}.json")).map(Cow::Borrowed);
            events.insert(event_type.clone(), facts);
        }
        let mut callbacks: Vec<EventTypeFacts> = parse("callbacks.json", text("callbacks.json")?)?;
        for facts in &mut callbacks {
            facts.kind = Kind::Callback;
        }
        let scopes: BTreeMap<String, ScopeData> = parse("scopes.json", text("scopes.json")?)?;
        Ok(Self {
            events,
            callbacks: callbacks
                .into_iter()
                .map(|facts| (facts.event_type.clone(), facts))
                .collect(),
            scopes: scopes
                .into_iter()
                .map(|(name, data)| (name.clone(), data.named(name)))
                .collect(),
        })
    }

    /// One event type.
    ///
    /// ```
    /// let facts = larkspur_catalog::Catalog::embedded().find("hire.eco_exam.created_v1").unwrap();
    /// assert_eq!(facts.domain, "hire");
    /// ```
    pub fn find(&self, event_type: &str) -> Option<&EventTypeFacts> {
        self.events.get(event_type)
    }

    /// The event type whose name is closest, when it is close enough to be what was meant.
    pub fn suggest(&self, event_type: &str) -> Option<&str> {
        nearest(self.events.keys(), event_type)
    }

    /// The callback whose name is closest, when it is close enough to be what was meant.
    pub fn suggest_callback(&self, name: &str) -> Option<&str> {
        nearest(self.callbacks.keys(), name)
    }

    /// The event types whose names match; `*` stands for any characters.
    pub fn matching<'a>(&'a self, glob: &'a str) -> impl Iterator<Item = &'a EventTypeFacts> {
        self.iter().filter(move |facts| matches(glob, &facts.event_type))
    }

    /// Every event type, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &EventTypeFacts> {
        self.events.values()
    }

    /// Every callback, in order of name.
    pub fn callbacks(&self) -> impl Iterator<Item = &EventTypeFacts> {
        self.callbacks.values()
    }

    /// One callback.
    pub fn callback(&self, name: &str) -> Option<&EventTypeFacts> {
        self.callbacks.get(name)
    }

    /// Every scope, in order of name.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.values()
    }

    /// One scope.
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.get(name)
    }
}

/// The embedded files by path: `Dir::get_file` goes through a whole folder for each, which takes longer than reading.
fn embedded_files() -> BTreeMap<&'static str, &'static str> {
    let folders = DATA.dirs().flat_map(Dir::files);
    let files = DATA.files().chain(folders);
    files
        .filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)))
        .collect()
}

fn parse<'de, T: serde::Deserialize<'de>>(path: &str, text: &'de str) -> Result<T, CatalogError> {
    let json = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(json).map_err(|error| CatalogError::Malformed {
        path: path.into(),
        at: error.path().to_string(),
        source: error.into_inner(),
    })
}

fn nearest<'a>(names: impl Iterator<Item = &'a String>, given: &str) -> Option<&'a str> {
    let scored = names.map(|name| (edits(name, given), name.as_str()));
    let edits_max = SUGGESTION_EDITS_MAX.min(given.len() / 2);
    scored
        .min()
        .filter(|(edits, _)| *edits <= edits_max)
        .map(|(_, name)| name)
}

/// The number of characters to insert, delete or replace to make one text of the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Whether a name fits a pattern in which `*` stands for any characters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is as good as any: what follows has the most left to match.
        let Some((_, after)) = name.split_once(part) else {
            return false;
        };
        name = after;
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_what_was_meant() {
        let catalog = Catalog::embedded();
        assert_eq!(
            catalog.suggest("hire.eco_exam.create_v1"),
            Some("hire.eco_exam.created_v1")
        );
        assert_eq!(catalog.suggest("nothing like it at all, really"), None);
    }

    #[test]
    fn types_are_found_by_pattern() {
        let found: Vec<_> = Catalog::embedded()
            .matching("hire.eco_*")
            .map(|facts| &facts.event_type[..])
            .collect();
        assert!(
            found.contains(&"hire.eco_exam.created_v1") && found.len() == 4,
            "{found:?}"
        );
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        let name = "hire.eco_exam.created_v1";
        for pattern in [
            "*",
            "hire.*",
            "*_v1",
            "hire.*created*",
            "*eco*exam*v1",
            "hire.eco_exam.created_v1",
            "h**1",
        ] {
            assert!(matches(pattern, name), "{pattern}");
        }
        for pattern in [
            "",
            "hire",
            "hire.*v2",
            "*exam*eco*",
            "hire.eco_exam.created_v1*x",
            "*hire",
        ] {
            assert!(!matches(pattern, name), "{pattern}");
        }
    }
}
