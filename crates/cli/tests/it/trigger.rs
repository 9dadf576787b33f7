//! `larkspur trigger`.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Running, done, run};

const EXAM: &str = "hire.eco_exam.created_v1";
const MESSAGE: &str = "im.message.receive_v1";

/// The ids of the apps that are pushed to in this mode.
fn apps(dir: &Path, kind: &str, mode: &str) -> Vec<String> {
    let fits = |app: &&Value| app["kind"] == kind && app["published"]["events"]["mode"] == mode;
    let apps = done(dir, &["app", "list", "--json"]).json();
    let ids = apps.iter().filter(fits).filter_map(|app| app["app_id"].as_str());
    ids.map(str::to_owned).collect()
}

#[test]
fn an_event_arrives_in_every_mode_and_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let listening = Running::start(dir.path(), &["listen", "--max-events", "1", "--json"]);
    dev.json(|line| line.get("session_opened").is_some());
    let set = "candidate_info.name=Li Hua";
    done(dir.path(), &["trigger", EXAM, "--set", set, "--wait"]);
    let event = listening.json(|line| line["event_type"] == EXAM);
    assert_eq!(event["event"]["candidate_info"]["name"], "Li Hua");
    assert_eq!(event["app_id"], ready["app_id"]);
    assert_eq!(listening.wait().code(), Some(0));

    for kind in ["custom", "store"] {
        let webhook = &apps(dir.path(), kind, "webhook")[0];
        done(dir.path(), &["trigger", MESSAGE, "--app", webhook, "--wait"]);
        let attempted = dev.json(|line| line["app_id"] == webhook.as_str() && line.get("attempted").is_some());
        assert_eq!((&attempted["code"], &attempted["error"]), (&json!(200), &Value::Null));
    }
}

#[test]
fn when_nobody_is_online_it_says_when_the_next_try_is() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let app = ready["app_id"].as_str().unwrap();
    let told = done(dir.path(), &["trigger", EXAM]);
    assert!(
        told.out.contains("nobody is online; it is tried again at "),
        "{}",
        told.out
    );

    let published = done(dir.path(), &["trigger", MESSAGE, "--app", app, "--json"]).json();
    let delivery = &published[0]["deliveries"][0];
    assert_eq!((&delivery["app_id"], &delivery["online"]), (&json!(app), &json!(0)));
    let now = done(dir.path(), &["clock", "--json"]).json()[0]["now"]
        .as_i64()
        .unwrap();
    let until = delivery["next_try_at"].as_i64().unwrap() - now;
    assert!((1..=15_000).contains(&until), "{until} ms until the first retry");
}

#[test]
fn waiting_for_what_does_not_arrive_ends_with_5() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let late = run(dir.path(), &["trigger", EXAM, "--wait", "--timeout", "500ms"]);
    assert_eq!(late.code, 5, "{}", late.err);
    assert!(
        late.err.contains("no live session") && late.err.contains("larkspur listen"),
        "{}",
        late.err
    );
}

#[test]
fn an_event_for_nobody_says_why_and_waiting_for_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let elsewhere = ["trigger", MESSAGE, "--tenant", "elsewhere"];
    let told = done(dir.path(), &elsewhere);
    assert!(told.out.contains("no app gets it"), "{}", told.out);
    assert!(told.out.contains("elsewhere"), "{}", told.out);
    let waited = run(dir.path(), &[&elsewhere[..], &["--wait"]].concat());
    assert_eq!(waited.code, 1, "{}", waited.err);
}

#[test]
fn count_and_rate_publish_many() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let many = ["trigger", "app_ticket", "--count", "3", "--rate", "100", "--json"];
    let published = done(dir.path(), &many).json();
    let mut ids: Vec<_> = published
        .iter()
        .map(|event| event["event_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_file_holds_a_payload_or_a_whole_event() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let bare = json!({ "exam_id": "7", "account_id": "7", "paper_id": "of a file" });
    let whole = json!({ "schema": "2.0", "header": { "event_type": EXAM }, "event": bare });
    let app = ready["app_id"].as_str().unwrap();
    for (name, content) in [("bare.json", bare), ("whole.json", whole)] {
        std::fs::write(dir.path().join(name), content.to_string()).unwrap();
        let listening = Running::start(dir.path(), &["listen", "--max-events", "1", "--json"]);
        listening.says("online");
        done(dir.path(), &["trigger", EXAM, "--file", name, "--app", app, "--wait"]);
        assert_eq!(listening.json(|_| true)["event"]["paper_id"], "of a file", "{name}");
        assert_eq!(listening.wait().code(), Some(0));
    }
}

#[test]
fn a_payload_that_does_not_fit_is_refused_with_path_and_expectation() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let refused = run(dir.path(), &["trigger", EXAM, "--set", "candidate_info=7"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    for what in ["candidate_info", "object", "number", "hint: "] {
        assert!(refused.err.contains(what), "{what} is not in {}", refused.err);
    }
}

const CARD: &str = "card.action.trigger";

#[test]
fn a_callback_is_answered_by_the_first_app_or_the_one_named() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let listening = Running::start(dir.path(), &["listen", "--max-events", "1", "--json"]);
    dev.json(|line| line.get("session_opened").is_some());
    let set = "action.value.answer=42";
    let called = done(dir.path(), &["trigger", CARD, "--set", set, "--json"]).json();
    assert_eq!(called[0]["app_id"], ready["app_id"]);
    assert_eq!(
        (&called[0]["mode"], &called[0]["answer"]),
        (&json!("websocket"), &Value::Null)
    );
    let event = listening.json(|line| line["event_type"] == CARD);
    assert_eq!(event["event"]["action"]["value"]["answer"], 42);
    let printed = dev.json(|line| line.get("called").is_some());
    assert_eq!((&printed["code"], &printed["error"]), (&json!(200), &Value::Null));

    for kind in ["custom", "store"] {
        let webhook = &apps(dir.path(), kind, "webhook")[0];
        let called = done(dir.path(), &["trigger", CARD, "--app", webhook]);
        assert!(called.out.contains("webhook  answered in "), "{}", called.out);
        assert!(called.out.ends_with("\n{}\n"), "{}", called.out);
    }
}

#[test]
fn an_old_card_calls_back_by_webhook() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let called = done(dir.path(), &["trigger", "card.action.trigger_v1", "--json"]).json();
    assert_eq!(
        (&called[0]["mode"], &called[0]["answer"]),
        (&json!("webhook"), &json!({}))
    );
}

#[test]
fn a_callback_that_nobody_answers_ends_with_1_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, _) = Running::dev(dir.path());
    let refused = run(dir.path(), &["trigger", CARD]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    for what in ["no live persistent connection", "hint: "] {
        assert!(refused.err.contains(what), "{what} is not in {}", refused.err);
    }
    let printed = dev.json(|line| line.get("called").is_some());
    assert!(printed["error"].is_string(), "{printed}");
    let elsewhere = run(dir.path(), &["trigger", CARD, "--tenant", "elsewhere"]);
    assert_eq!(elsewhere.code, 1);
    assert!(elsewhere.err.contains("has not installed"), "{}", elsewhere.err);
}
