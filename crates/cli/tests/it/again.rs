//! `larkspur resend`, `recover` and `replay`.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::log::{shown, trigger};
use crate::program::{Ended, Running, done, run};

const EXAM: &str = "hire.eco_exam.created_v1";
const TICKET: &str = "app_ticket";

/// Waits until the event's one delivery has been tried so often.
fn tried(dir: &Path, event_id: &str, times: u64) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let event = shown(dir, event_id);
        if event["deliveries"][0]["attempt_log"].as_array().unwrap().len() as u64 >= times {
            return;
        }
        assert!(Instant::now() < deadline, "{event}");
    }
}

/// The last line of a job.
fn job(ended: &Ended) -> serde_json::Value {
    ended.json().pop().unwrap()
}

#[test]
fn an_event_and_a_delivery_are_resent_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let event_id = trigger(dir.path(), TICKET, &["--wait"]);
    let resent = done(dir.path(), &["resend", &event_id]);
    assert_eq!(resent.out.trim(), "pushing again: 1 delivery");
    tried(dir.path(), &event_id, 2);
    let event = shown(dir.path(), &event_id);
    let delivery_id = event["deliveries"][0]["delivery_id"].as_str().unwrap();
    let resent = done(dir.path(), &["resend", delivery_id, "--json"]).json();
    assert_eq!(resent[0]["resent"], 1);
    tried(dir.path(), &event_id, 3);
}

#[test]
fn what_failed_is_recovered_by_the_platforms_clock() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    // An hour ago is an hour before what it is at the platform.
    done(dir.path(), &["clock", "+30h"]);
    let event_id = trigger(dir.path(), EXAM, &[]);
    tried(dir.path(), &event_id, 1);
    let recovered = done(dir.path(), &["recover", "--since", "1h", "--event", "hire.*", "--json"]);
    let job = job(&recovered);
    assert_eq!(
        (&job["state"], &job["kind"], &job["resent"]),
        (&"done".into(), &"recovery".into(), &1.into()),
        "{job}"
    );
    tried(dir.path(), &event_id, 2);
    let none = done(dir.path(), &["recover", "--since", "1h", "--state", "dead"]);
    assert!(none.out.starts_with("0 deliveries made due"), "{}", none.out);
}

#[test]
fn what_was_delivered_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let event_id = trigger(dir.path(), TICKET, &["--wait"]);
    let replay = ["replay", "--from", "1h", "--event", TICKET, "--json"];
    let app = ready["app_id"].as_str().unwrap();
    let other = done(dir.path(), &[&replay[..], &["--app", app]].concat());
    assert_eq!(job(&other)["resent"], 0);
    let replayed = job(&done(dir.path(), &replay));
    assert_eq!(
        (&replayed["state"], &replayed["kind"]),
        (&"done".into(), &"replay".into()),
        "{replayed}"
    );
    tried(dir.path(), &event_id, 2);
    let empty = run(dir.path(), &["replay", "--from", "1h", "--to", "2h"]);
    assert_eq!((empty.code, empty.out.as_str()), (1, ""), "{}", empty.err);
    assert!(empty.err.contains("hint: "), "{}", empty.err);
}

#[cfg(unix)]
#[test]
fn a_replay_that_is_interrupted_ends_at_the_platform_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    trigger(dir.path(), TICKET, &["--count", "300"]);
    let replay = Running::start(dir.path(), &["replay", "--from", "1h", "--event", TICKET, "--json"]);
    replay.json(|job| job["state"] == "running");
    assert_eq!(replay.stop("INT").code(), Some(1));
    let again = Running::start(dir.path(), &["replay", "--from", "1h", "--event", TICKET, "--json"]);
    let job = again.json(|job| job["state"] != "running");
    assert_eq!(job["state"], "done", "{job}");
}
