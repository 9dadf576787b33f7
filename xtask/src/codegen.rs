//! `cargo xtask codegen`: the structs of `crates/events`, made from `catalog/`.
//!
//! The files are committed, so that they can be read and searched; the check keeps them from going stale.

mod docs;
mod files;
mod model;
mod names;
mod render;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use larkspur_catalog::{Catalog, EventTypeFacts, Field, Schema};

use files::Files;
use model::{Event, Module};
use tree::tree;

/// The folders that hold nothing but generated files.
const GENERATED: [&str; 2] = ["crates/events/src/generated", "crates/events/tests/generated"];

/// Writes what is stale, and says so.
pub(crate) fn write(root: &Path) -> anyhow::Result<ExitCode> {
    let files = generate(root)?;
    for (path, stale) in stale(root, &files)? {
        let whole = root.join(&path);
        match stale {
            Some(text) => {
                fs::create_dir_all(whole.parent().unwrap_or(root))?;
                fs::write(&whole, text).with_context(|| format!("cannot write `{}`", path.display()))?;
                say(&format!("wrote {}", path.display()));
            }
            None => {
                fs::remove_file(&whole)?;
                say(&format!("removed {}", path.display()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Names what is stale.
pub(crate) fn check(root: &Path) -> anyhow::Result<ExitCode> {
    let files = generate(root)?;
    let stale = stale(root, &files)?;
    for path in stale.keys() {
        say(&format!("stale: {}", path.display()));
    }
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say("run `cargo xtask codegen` and commit what it writes");
    Ok(ExitCode::FAILURE)
}

#[expect(
    clippy::print_stdout,
    reason = "a task of the repository reports on its standard output"
)]
fn say(line: &str) {
    println!("{line}");
}

/// The files that are not what they should be, with the text they should have; none for those that should not be.
fn stale<'a>(root: &Path, files: &'a Files) -> anyhow::Result<BTreeMap<PathBuf, Option<&'a str>>> {
    let mut stale = BTreeMap::new();
    for (path, text) in files {
        // A file that cannot be read is written anew.
        if fs::read_to_string(root.join(path)).ok().as_ref() != Some(text) {
            stale.insert(path.clone(), Some(text.as_str()));
        }
    }
    let mut folders: Vec<PathBuf> = GENERATED.map(PathBuf::from).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if !files.contains_key(&path) {
                stale.insert(path, None);
            }
        }
    }
    Ok(stale)
}

/// The modules of every domain, by version; callbacks have none.
type Domains = BTreeMap<String, BTreeMap<Option<String>, Module>>;

fn generate(root: &Path) -> anyhow::Result<Files> {
    let catalog = Catalog::from_dir(&root.join("catalog"))?;
    let mut domains = Domains::new();
    for facts in catalog.iter() {
        add(&mut domains, facts, None).with_context(|| format!("the event type `{}`", facts.event_type))?;
    }
    for facts in catalog.callbacks() {
        let reply = Some(facts.reply_fields.as_slice());
        add(&mut domains, facts, reply).with_context(|| format!("the callback `{}`", facts.event_type))?;
    }
    for module in domains.values_mut().flat_map(BTreeMap::values_mut) {
        module.name_all()?;
    }
    files::files(root, &domains)
}

fn add(domains: &mut Domains, facts: &EventTypeFacts, reply: Option<&[Field]>) -> anyhow::Result<()> {
    let module = domains
        .entry(facts.domain.clone())
        .or_default()
        .entry(facts.version.clone())
        .or_default();
    let key = &facts.event_type;
    let prefix = format!("{}.", facts.domain);
    let name = names::pascal(key.strip_prefix(&prefix).unwrap_or(key));
    let root = module.add_root(name.clone(), &tree(&facts.fields)?);
    let reply = match reply {
        None => None,
        Some(fields) => {
            let idx = module.add_root(format!("{name}Reply"), &tree(fields)?);
            module.structs[idx].docs = vec![format!("What a handler of [`{name}`] answers.")];
            Some(idx)
        }
    };
    let schema = match facts.schema {
        Schema::V1 => "V1",
        Schema::V2 => "V2",
    };
    module.structs[root].docs = docs::event(facts, if reply.is_some() { "Callback" } else { "Event type" });
    module.structs[root].event = Some(Event {
        key: key.clone(),
        schema,
        reply,
    });
    Ok(())
}
