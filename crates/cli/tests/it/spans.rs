//! The log of a push: it can be followed by ids, and never shows what is pushed.

use crate::program::{Running, done};

const EXAM: &str = "hire.eco_exam.created_v1";

#[test]
fn a_push_is_logged_with_its_ids_and_without_its_payload() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Running::start(dir.path(), &["dev", "--json", "--port", "0", "--log-level", "trace"]);
    let ready = dev.json(|_| true);
    let listed = done(dir.path(), &["app", "list", "--json"]).json();
    let webhook = listed
        .iter()
        .find(|app| app["draft"]["events"]["mode"] == "webhook")
        .unwrap();
    let webhook = webhook["app_id"].as_str().unwrap();
    let set = "candidate_info.name=nobody else may know";
    done(
        dir.path(),
        &[
            "trigger",
            EXAM,
            "--app",
            webhook,
            "--set",
            set,
            "--set",
            "account_id=1",
            "--wait",
        ],
    );
    dev.signal("TERM");
    let log = dev.all_it_says();
    let line = log
        .lines()
        .find(|line| line.contains("delivered") && line.contains(webhook))
        .unwrap();
    for what in ["push{", "event.id=", "delivery.id=", "app.id=", "attempt=1", "code=200"] {
        assert!(line.contains(what), "{what} is not in {line}");
    }
    assert!(!log.contains("nobody else"), "the payload was logged");
    for secret in ["admin_token", "app_secret", "encrypt_key", "verification_token"] {
        let secret = ready[secret].as_str().unwrap();
        assert!(secret.is_empty() || !log.contains(secret), "a secret was logged");
    }
}
