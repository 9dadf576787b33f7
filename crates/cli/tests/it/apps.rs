//! `larkspur app`.

use crate::http::Endpoint;
use crate::program::{Running, challenged, done, passed, run};

const EXAM: &str = "hire.eco_exam.created_v1";

#[test]
fn secrets_are_shown_once_and_then_on_request_only() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let made = done(
        dir.path(),
        &["app", "create", "mine", "--encrypt-key", "the key", "--json"],
    )
    .json();
    let text = |name: &str| made[0][name].as_str().unwrap();
    let id = text("app_id");
    let secrets = [text("app_secret"), text("verification_token"), "the key"];
    for shown in [
        done(dir.path(), &["app", "show", id]),
        done(dir.path(), &["app", "show", id, "--json"]),
        done(dir.path(), &["app", "list", "--json"]),
        done(dir.path(), &["app", "update", id, "--name", "ours"]),
        done(dir.path(), &["app", "publish", id]),
    ] {
        for secret in secrets {
            assert!(!shown.out.contains(secret) && !shown.err.contains(secret), "{shown:?}");
        }
    }
    let revealed = done(dir.path(), &["app", "show", id, "--reveal"]);
    for secret in secrets {
        assert!(revealed.out.contains(secret), "{}", revealed.out);
    }
}

#[test]
fn logs_at_their_loudest_hold_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let loud = ["--log-level", "trace"];
    let mut listening = Running::start(dir.path(), &[&["listen", "--max-events", "1"], &loud[..]].concat());
    dev.json(|line| line.get("session_opened").is_some());
    let triggered = done(dir.path(), &[&["trigger", EXAM, "--wait"], &loud[..]].concat());
    let said = listening.all_it_says() + &triggered.err;
    assert!(said.contains("TRACE"), "{said}");
    for name in ["app_secret", "verification_token", "admin_token"] {
        assert!(!said.contains(ready[name].as_str().unwrap()), "{name}: {said}");
    }
}

#[test]
fn a_request_url_must_pass_the_challenge_and_a_failure_names_cause_and_fix() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let made = done(dir.path(), &["app", "create", "mine", "--json"]).json();
    let id = made[0]["app_id"].as_str().unwrap();
    let url = ready["url"].as_str().unwrap();
    let check = |event_url: &str, cause: &str, fix: &str| {
        let refused = challenged(dir.path(), &["app", "update", id, "--event-url", event_url]);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
        for what in [cause, "hint: ", fix] {
            assert!(refused.err.contains(what), "{what} is not in {}", refused.err);
        }
    };
    check(
        "http://127.0.0.1:1/",
        "nothing listens at 127.0.0.1:1",
        "start the receiver",
    );
    check(&format!("{url}/no/such/path"), "404", "check the path");
    check("nowhere", "absolute URL", "http");
    let endpoint = Endpoint::start();
    passed(dir.path(), &["app", "update", id, "--event-url", &endpoint.url]);
    let shown = done(dir.path(), &["app", "show", id]);
    assert!(shown.out.contains(&endpoint.url), "{}", shown.out);
}

#[test]
fn an_app_is_shown_with_limits_of_its_own_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let own = ["--paused", "--in-flight-max", "3", "--retry-seconds", "15,300"];
    let made = done(dir.path(), &[&["app", "create", "mine", "--json"], &own[..]].concat()).json();
    let id = made[0]["app_id"].as_str().unwrap();
    let shown = done(dir.path(), &["app", "show", id]).out;
    assert!(
        shown.contains("paused; 3 at once; retries after 15 s, 300 s"),
        "{shown}"
    );
    let removed = done(dir.path(), &["app", "delete", id]).out;
    assert!(removed.contains(id), "{removed}");
    let gone = run(dir.path(), &["app", "show", id]);
    assert_eq!(gone.code, 1, "{}", gone.err);
}

#[test]
fn what_may_not_be_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let id = ready["app_id"].as_str().unwrap();
    let check = |arguments: &[&str], code: i32, says: &str| {
        let refused = run(dir.path(), &[&["app"], arguments].concat());
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            refused.err
        );
        assert!(refused.err.contains(says), "{arguments:?}: {}", refused.err);
    };
    check(&["create", "x", "--kind", "store", "--mode", "websocket"], 1, "hint: ");
    check(&["create", "x", "--event", EXAM], 1, "hire:exam");
    check(&["create", "x", "--scope", "no:such"], 1, "hint: ");
    check(&["update", id, "--event", "no.such_v1"], 1, "hint: ");
    check(&["update", id], 2, "hint: ");
    check(&["update", id, "--reset", "everything"], 2, "app_secret");
    check(&["show", "cli_0000000000000000"], 1, "larkspur app list");
    check(&["show", "../tokens"], 2, "App ID");
    check(&["list", "--token", "wrong"], 3, "--token");
}
