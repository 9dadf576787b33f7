//! `larkspur listen`.

use crate::program::{Ended, Running, done, run};

/// The exit code when no connection was made.
const UNREACHABLE: i32 = 4;

#[test]
fn only_events_that_match_are_printed_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let app = ready["app_id"].as_str().unwrap();
    let listening = Running::start(dir.path(), &["listen", "--event", "im.*", "--max-events", "1"]);
    listening.says("online");
    for event_type in ["hire.eco_exam.created_v1", "im.message.receive_v1"] {
        done(dir.path(), &["trigger", event_type, "--app", app, "--wait"]);
    }
    let event = listening.json(|_| true);
    assert_eq!(event["event_type"], "im.message.receive_v1");
    for name in ["event_id", "tenant_key", "app_id", "create_time", "event"] {
        assert!(!event[name].is_null(), "{name}");
    }
    assert_eq!(listening.wait().code(), Some(0));
}

#[test]
fn what_it_ends_with_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let text = |name: &str| ready[name].as_str().unwrap();
    let (url, id) = (text("url"), text("app_id"));
    let listen = |arguments: &[&str]| run(dir.path(), &[&["listen"], arguments].concat());
    let judge = |arguments: &[&str], ended: Ended, code: i32, says: &str| {
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            ended.err
        );
        assert!(ended.err.contains(says), "{arguments:?}: {}", ended.err);
    };
    let check_late = |more: &[&str], code: i32, says: &str| {
        let within = |timeout| listen(&[&["--timeout", timeout], more].concat());
        // A busy machine may need longer to connect.
        let mut tries = ["500ms", "5s", "50s"].into_iter().map(within);
        let ended = tries.find(|ended| ended.code != UNREACHABLE).expect("it connects");
        judge(more, ended, code, says);
    };
    check_late(&[], 0, "received 0 events");
    check_late(&["--max-events", "2"], 5, "larkspur trigger");
    let check = |arguments: &[&str], code: i32, says: &str| judge(arguments, listen(arguments), code, says);
    check(
        &["--app-id", id, "--app-secret", "wrong", "--domain", url],
        3,
        "--app-secret",
    );
    let nowhere = [
        "--app-id",
        id,
        "--app-secret",
        "x",
        "--domain",
        "http://127.0.0.1:1",
        "--timeout",
        "500ms",
    ];
    check(&nowhere, UNREACHABLE, "larkspur dev");
    check(&["--app-id", "cli_0000000000000000"], 2, "--app-secret");
    check(&["--domain", "nowhere"], 2, "--help");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_well() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    for from in ["Ctrl-C ends it", "online"] {
        let listening = Running::start(dir.path(), &["listen"]);
        listening.says(from);
        assert_eq!(listening.stop("INT").code(), Some(0), "{from}");
    }
}
