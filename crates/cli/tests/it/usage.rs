//! What needs no platform, and what goes wrong before one is asked.

use crate::program::{Running, done, run};

#[test]
fn the_catalogue_is_read_without_a_platform() {
    let dir = tempfile::tempdir().unwrap();
    let types = done(dir.path(), &["event", "list", "--json"]).json();
    assert_eq!(types.len(), 252);
    let hire = done(dir.path(), &["event", "list", "hire.eco_*"]);
    assert_eq!(hire.out.lines().count(), 4, "{}", hire.out);
    let shown = done(dir.path(), &["event", "show", "hire.eco_exam.created_v1"]);
    for what in ["open.feishu.cn", "hire:exam:readonly", "candidate_info.name"] {
        assert!(shown.out.contains(what), "{what} is not in {}", shown.out);
    }
    let sample = done(dir.path(), &["event", "sample", "hire.eco_exam.created_v1", "--json"]).json();
    assert!(sample[0]["exam_id"].is_string());
    assert!(!dir.path().join(".larkspur").exists());
}

#[test]
fn a_callback_is_shown_with_the_fields_of_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let shown = done(dir.path(), &["event", "show", "card.action.trigger"]);
    let (asked, answered) = shown.out.split_once("fields of the answer").unwrap();
    assert!(
        asked.contains("action.value") && answered.contains("toast.content"),
        "{}",
        shown.out
    );
    let value = done(dir.path(), &["event", "show", "card.action.trigger", "--json"]).json();
    assert_eq!(value[0]["answer_fields"][0]["path"], "toast");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.json"), "{").unwrap();
    let exam = "hire.eco_exam.created_v1";
    let check = |arguments: &[&str], says: &str| {
        let ended = run(dir.path(), arguments);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (2, ""),
            "{arguments:?}: {}",
            ended.err
        );
        assert!(ended.err.contains(says), "{arguments:?}: {}", ended.err);
    };
    check(&["no-such-command"], "unrecognized");
    check(
        &["trigger", "hire.eco_exam.create_v1"],
        "did you mean `hire.eco_exam.created_v1`?",
    );
    check(&["event", "show", "no.such"], "larkspur event list");
    for set in ["nothing", "=1", "a..b=1", "candidate_info.name.inner=1"] {
        check(&["trigger", exam, "--set", set], "hint: ");
    }
    check(&["trigger", exam, "--file", "missing.json"], "missing.json");
    check(&["trigger", exam, "--file", "bad.json"], "hint: ");
    for rate in ["0", "-1", "inf", "NaN", "fast"] {
        check(&["trigger", exam, &format!("--rate={rate}")], "--rate");
    }
    check(&["trigger", exam, "--count", "0"], "--count");
    check(&["trigger", exam, "--app", "mine"], "--app");
    check(&["trigger", exam, "--url", "nonsense"], "--url");
    check(&["trigger", exam, "--url", "ftp://127.0.0.1"], "--url");
    check(&["listen"], "larkspur dev");
    check(&["listen", "--timeout", "soon"], "--timeout");
    check(&["event", "list", "--log-level", "larkspur=nonsense=x"], "--log-level");
}

#[test]
fn without_a_platform_the_exit_code_is_4() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = ["--url", "http://127.0.0.1:1"];
    for command in [&["trigger", "app_ticket"][..], &["app", "list"]] {
        let ended = run(dir.path(), &[command, &nobody].concat());
        assert_eq!((ended.code, ended.out.as_str()), (4, ""), "{}", ended.err);
        assert!(ended.err.contains("larkspur dev"), "{}", ended.err);
        let ended = run(dir.path(), &[command, &nobody, &["--json"]].concat());
        let failure: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
        assert!(failure["error"].is_string() && failure["hint"].is_string(), "{failure}");
    }
}

#[test]
fn the_token_of_dev_is_not_given_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    done(dir.path(), &["app", "list"]);
    let other = tempfile::tempdir().unwrap();
    let (_other, ready) = Running::dev(other.path());
    let refused = run(dir.path(), &["app", "list", "--url", ready["url"].as_str().unwrap()]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(
        refused.err.contains("no API token") || refused.err.contains("larkspur dev"),
        "{}",
        refused.err
    );
}
