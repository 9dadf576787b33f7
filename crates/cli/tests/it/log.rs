//! `larkspur tail` and `larkspur show`.

use std::path::Path;

use serde_json::Value;

use crate::http::Endpoint;
use crate::program::{Running, done, passed, run};

const EXAM: &str = "hire.eco_exam.created_v1";
const MESSAGE: &str = "im.message.receive_v1";
const TICKET: &str = "app_ticket";

/// Publishes an event, and answers its id.
pub(crate) fn trigger(dir: &Path, event_type: &str, more: &[&str]) -> String {
    let arguments = [&["trigger", event_type, "--json"], more].concat();
    let published = done(dir, &arguments).json();
    published[0]["event_id"].as_str().unwrap().to_owned()
}

/// The event with its deliveries and attempts.
pub(crate) fn shown(dir: &Path, id: &str) -> Value {
    done(dir, &["show", id, "--json"]).json().remove(0)
}

/// The custom app that receives by webhook, without an Encrypt Key, at this URL.
fn webhook_app(dir: &Path, url: &str) -> String {
    let apps = done(dir, &["app", "list", "--json"]).json();
    let fits = |app: &&Value| app["kind"] == "custom" && app["published"]["events"]["mode"] == "webhook";
    let id = apps.iter().find(fits).unwrap()["app_id"].as_str().unwrap().to_owned();
    passed(dir, &["app", "update", &id, "--encrypt-key", "", "--event-url", url]);
    id
}

#[test]
fn attempts_are_printed_as_they_happen() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let tail = Running::start(dir.path(), &["tail", "--json", "--event", "app_*"]);
    tail.says("following");
    trigger(dir.path(), EXAM, &[]);
    let event_id = trigger(dir.path(), TICKET, &["--wait"]);
    let line = tail.json(|line| line["event_id"] == event_id.as_str());
    assert_eq!(
        (&line["event_type"], &line["state"]),
        (&TICKET.into(), &"delivered".into()),
        "{line}"
    );
    assert_eq!(line["attempt"]["code"], 200, "{line}");
}

#[test]
fn what_happened_before_is_printed_by_every_filter() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let app = ready["app_id"].as_str().unwrap();
    let exam = trigger(dir.path(), EXAM, &[]);
    let ticket = trigger(dir.path(), TICKET, &["--wait"]);
    let tail = |more: &[&str]| done(dir.path(), &[&["tail", "--since", "1h", "--no-follow"], more].concat()).out;
    let all = tail(&[]);
    assert!(all.contains(&exam) && all.contains(&ticket), "{all}");
    assert!(
        all.contains("failed: no live session") && all.contains("; next try at "),
        "{all}"
    );
    assert!(all.contains("200") && all.contains(" ms  delivered"), "{all}");
    for (more, has_exam, has_ticket) in [
        (&["--app", app][..], true, false),
        (&["--event", "hire.*"], true, false),
        (&["--event", TICKET], false, true),
        (&["--state", "pending"], true, false),
        (&["--state", "delivered"], false, true),
        (&["--state", "dead"], false, false),
    ] {
        let some = tail(more);
        assert_eq!(
            (some.contains(&exam), some.contains(&ticket)),
            (has_exam, has_ticket),
            "{more:?}: {some}"
        );
    }
    let since_now = done(dir.path(), &["tail", "--no-follow"]);
    assert_eq!((since_now.out.as_str(), since_now.err.as_str()), ("", ""));
}

#[test]
fn an_event_is_shown_with_all_that_was_tried_and_no_terminal_obeys_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    // Clears the screen, sets the title, is no UTF-8, and pretends to be a line of ours.
    let endpoint = Endpoint::answering("500 No", b"\x1b[2J\x1b]0;title\x07\xff\xc2\x9b31m\ndelivery   forged");
    let app = webhook_app(dir.path(), &endpoint.url);
    let event_id = trigger(dir.path(), MESSAGE, &["--app", &app]);
    endpoint.event(MESSAGE);
    let tail = Running::start(dir.path(), &["tail", "--since", "1h", "--json", "--app", &app]);
    tail.json(|line| line["event_id"] == event_id.as_str());
    let text = done(dir.path(), &["show", &event_id]).out;
    for what in [
        MESSAGE,
        "message_id",
        &app,
        "pending after 1 attempt; next try at ",
        "500",
        "answered: \\u{1b}[2J",
    ] {
        assert!(text.contains(what), "{what} is not in {text}");
    }
    assert!(
        !text.lines().any(|line| line.starts_with("delivery   forged")),
        "{text}"
    );
    let json = done(dir.path(), &["show", &event_id, "--json"]);
    for out in [&text, &json.out] {
        assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out}");
    }
    let answer = json.json()[0]["deliveries"][0]["attempt_log"][0]["answer"].clone();
    assert!(answer.as_str().unwrap().starts_with("\x1b[2J"), "{answer}");
    // A delivery's id leads to the same event.
    let delivery_id = shown(dir.path(), &event_id)["deliveries"][0]["delivery_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(shown(dir.path(), &delivery_id)["event_id"], event_id.as_str());
}

#[test]
fn what_is_not_in_the_log_is_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    for command in ["show", "resend"] {
        let missing = run(dir.path(), &[command, "no-such-id"]);
        assert_eq!((missing.code, missing.out.as_str()), (1, ""), "{}", missing.err);
        assert!(
            missing.err.contains("no-such-id") && missing.err.contains("hint: "),
            "{}",
            missing.err
        );
    }
    for wrong in [
        &["tail", "--since", "yesterday"][..],
        &["tail", "--state", "lost"],
        &["tail", "--event", "im message"],
        &["recover"],
        &["replay", "--to", "now"],
    ] {
        let refused = run(dir.path(), wrong);
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (2, ""),
            "{wrong:?}: {}",
            refused.err
        );
    }
    for command in [&["tail"][..], &["show", "x"], &["recover", "--since", "1h"]] {
        let ended = run(dir.path(), &[command, &["--url", "http://127.0.0.1:1"]].concat());
        assert_eq!((ended.code, ended.out.as_str()), (4, ""), "{command:?}: {}", ended.err);
    }
}
