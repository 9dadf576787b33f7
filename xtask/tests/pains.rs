//! docs/pains.md against the tests: every pain has its test, and every test that is named exists.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The pains that were known when the suite was begun.
const PAINS: &[&str] = &[
    "dup_after_success",
    "retry_after_restart",
    "failed_then_retry",
    "two_apps_same_message",
    "stale_7h",
    "half_open",
    "lookup_hangs",
    "single_loop",
    "bad_secret",
    "busy_backoff",
    "slow_handler",
    "panic_handler",
    "disconnect_mid_handler",
    "sign_vectors",
    "forged_challenge",
    "forged_event",
    "no_key_no_token",
    "replayed_request",
    "random_delivery",
    "conn_51",
    "gateway_broadcast",
    "unhandled",
    "card_both_transports",
    "wss_no_provider",
    "via_proxy",
    "drain",
    "ten_apps",
    "number_for_string",
    "unknown_field",
    "unknown_event",
    "double_register",
    "samples_compile",
    "kill9_platform",
    "frag_bomb",
];
/// Those whose subject is not built yet.
const OPEN: &[&str] = &["gateway_broadcast", "samples_compile"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names in the first column of the tables in a part of the page.
fn named(part: &str) -> BTreeSet<&str> {
    part.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect()
}

/// The names of the tests in the suite.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("crates/testkit/tests/pains")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file = syn::parse_file(&source).unwrap();
        let functions = file.items.into_iter().filter_map(|item| match item {
            syn::Item::Fn(function) => Some(function),
            _ => None,
        });
        let is_test = |function: &syn::ItemFn| {
            let last = |path: &syn::Path| path.segments.last().unwrap().ident == "test";
            function.attrs.iter().any(|attribute| last(attribute.path()))
        };
        names.extend(functions.filter(is_test).map(|function| function.sig.ident.to_string()));
    }
    names
}

#[test]
fn every_pain_is_on_the_page_and_has_its_test() {
    let page = std::fs::read_to_string(root().join("docs/pains.md")).unwrap();
    let (closed, open) = page.split_once("\n## Open\n").unwrap();
    let tests = tests();
    let missing: Vec<_> = named(closed)
        .into_iter()
        .filter(|name| !tests.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/pains.md names tests that do not exist: {missing:?}"
    );
    assert_eq!(named(open), OPEN.iter().copied().collect());
    let on_page: BTreeSet<_> = named(&page);
    let left_out: Vec<_> = PAINS.iter().filter(|name| !on_page.contains(*name)).collect();
    assert!(left_out.is_empty(), "docs/pains.md leaves out {left_out:?}");
}
