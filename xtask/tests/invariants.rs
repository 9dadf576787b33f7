//! The invariants of ARCHITECTURE.md, read from `cargo metadata`, and its map, held against the folders.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .exec()
        .unwrap()
}

/// The direct dependencies of each workspace crate, those of tests left out.
fn direct(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let normal = |package: &&cargo_metadata::Package| {
        let kept = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        kept.map(|dependency| dependency.name.clone()).collect()
    };
    metadata
        .workspace_packages()
        .iter()
        .map(|package| (package.name.to_string(), normal(package)))
        .collect()
}

/// Everything a crate pulls in, tests left out.
fn all(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut waiting = vec![
        metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == name)
            .unwrap()
            .id
            .clone(),
    ];
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == id).unwrap();
        for dependency in &node.deps {
            let normal = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if normal && found.insert(names[&dependency.pkg].clone()) {
                waiting.push(dependency.pkg.clone());
            }
        }
    }
    found
}

fn assert_without(found: &BTreeSet<String>, forbidden: &[&str], who: &str) {
    let bad: Vec<_> = forbidden.iter().filter(|name| found.contains(**name)).collect();
    assert!(bad.is_empty(), "{who} must not depend on {bad:?}");
}

#[test]
fn facts_and_ports_depend_on_no_runtime_http_library_or_database() {
    let metadata = metadata();
    for name in ["larkspur-wire", "larkspur-events", "larkspur-catalog", "larkspur-store"] {
        assert_without(
            &all(&metadata, name),
            &["tokio", "hyper", "axum", "rusqlite", "tungstenite", "rustls"],
            name,
        );
    }
}

#[test]
fn only_the_binary_and_the_test_kit_name_a_concrete_store() {
    for (name, dependencies) in direct(&metadata()) {
        if !["larkspur-cli", "larkspur-testkit"].contains(&name.as_str()) {
            assert_without(&dependencies, &["larkspur-store-sqlite"], &name);
        }
    }
}

#[test]
fn the_platform_side_and_the_sdk_side_do_not_know_each_other() {
    let metadata = metadata();
    for name in [
        "larkspur-catalog",
        "larkspur-store",
        "larkspur-platform",
        "larkspur-engine",
        "larkspur-server",
    ] {
        assert_without(&all(&metadata, name), &["larkspur-events", "larkspur"], name);
    }
    let sdk = [
        "larkspur-catalog",
        "larkspur-store",
        "larkspur-platform",
        "larkspur-engine",
        "larkspur-server",
    ];
    assert_without(&all(&metadata, "larkspur"), &sdk, "larkspur");
}

#[test]
fn only_wire_knows_the_cipher_and_the_frames() {
    for (name, dependencies) in direct(&metadata()) {
        if name != "larkspur-wire" {
            assert_without(&dependencies, &["aes", "cbc", "prost", "sha1"], &name);
        }
    }
}

#[test]
fn the_rules_are_sync_and_the_engine_serves_no_http() {
    let metadata = metadata();
    assert_without(
        &all(&metadata, "larkspur-platform"),
        &["tokio", "hyper", "axum"],
        "larkspur-platform",
    );
    assert_without(&all(&metadata, "larkspur-engine"), &["axum"], "larkspur-engine");
}

#[test]
fn one_tls_provider() {
    for (name, dependencies) in metadata()
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .map(|name| {
            let found = all(&metadata(), &name);
            (name, found)
        })
    {
        assert_without(&dependencies, &["aws-lc-rs", "openssl", "native-tls"], &name);
    }
}

/// Every crate that is compiled for a subscriber who changes no feature.
fn default_tree() -> BTreeSet<String> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["tree", "-p", "larkspur", "-e", "normal,build", "--prefix", "none"]);
    let output = cargo.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let name_and_version = |line: &str| line.split(" (").next().unwrap_or_default().to_owned();
    lines.lines().map(name_and_version).collect()
}

#[test]
fn the_sdk_brings_at_most_a_hundred_crates_and_no_protobuf_compiler() {
    let crates = default_tree();
    assert!(crates.len() <= 100, "{}: {crates:?}", crates.len());
    for compiler in ["prost-build", "protox", "protobuf-codegen", "tonic-build"] {
        let found = crates.iter().find(|name| name.starts_with(compiler));
        assert_eq!(found, None);
    }
}

/// The paths that ARCHITECTURE.md's map names, and those that there are.
#[test]
fn the_map_names_every_room_and_no_other() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let map = text.split("## The map").nth(1).unwrap().split("\n## ").next().unwrap();
    let named: BTreeSet<&str> = map
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.ends_with('/'))
        .collect();
    let mut there: BTreeSet<String> = BTreeSet::new();
    for parent in ["", "crates/", "conformance/"] {
        for entry in std::fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{parent}{}/", entry.file_name().to_string_lossy());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let parent_of_rooms = ["crates/", "conformance/", "target/"].contains(&name.as_str());
            if entry.file_type().unwrap().is_dir() && !hidden && !parent_of_rooms {
                there.insert(name);
            }
        }
    }
    assert_eq!(named, there.iter().map(String::as_str).collect());
}
