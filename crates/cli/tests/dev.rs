//! The real binary, as a newcomer uses it.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_mins(1);
const EXAM: &str = "hire.eco_exam.created_v1";

fn larkspur(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larkspur"));
    command.args(arguments).current_dir(dir);
    for name in [
        "LARKSPUR_URL",
        "LARKSPUR_TOKEN",
        "FEISHU_APP_ID",
        "FEISHU_APP_SECRET",
        "FEISHU_BASE_URL",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    larkspur(dir, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A program that prints JSON, line by line; killed when the test ends.
struct Running {
    child: Child,
    lines: Receiver<Value>,
}

impl Running {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut child = larkspur(dir, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, lines }
    }

    /// `dev` on a free port, and its first line.
    fn dev(dir: &Path) -> (Self, Value) {
        let dev = Self::start(dir, &["dev", "--json", "--port", "0"]);
        let ready = dev.line(|line| line["ready"] == true);
        (dev, ready)
    }

    fn line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if fits(&line) {
                return line;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request by hand, so that every header can be chosen; answers the status.
fn get(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let host = if headers.iter().any(|(name, _)| *name == "Host") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let headers: String = headers
        .iter()
        .fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    write!(
        stream,
        "GET /api/v1/apps HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn the_first_line_of_dev_is_all_a_program_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    for name in [
        "url",
        "admin_token",
        "app_id",
        "app_secret",
        "encrypt_key",
        "verification_token",
    ] {
        assert!(ready[name].is_string(), "{name}");
    }
    assert!(ready["app_id"].as_str().unwrap().starts_with("cli_"));
}

#[test]
fn a_triggered_event_arrives_and_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, ready) = Running::dev(dir.path());
    let listening = Running::start(dir.path(), &["listen", "--max-events", "1", "--json"]);
    dev.line(|line| line.get("session_opened").is_some());
    let set = "candidate_info.name=Li Hua";
    let triggered = run(dir.path(), &["trigger", EXAM, "--set", set, "--wait", "--json"]);
    assert_eq!(triggered.status.code(), Some(0), "{}", text(&triggered.stderr));
    let event = listening.line(|line| line["event_type"] == EXAM);
    assert_eq!(event["event"]["candidate_info"]["name"], "Li Hua");
    assert_eq!(event["app_id"], ready["app_id"]);
    let attempted = dev.line(|line| line.get("attempted").is_some());
    assert_eq!((&attempted["code"], &attempted["error"]), (&200.into(), &Value::Null));
}

#[test]
fn every_event_type_reaches_one_of_the_apps() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let _listening = Running::start(dir.path(), &["listen", "--json"]);
    let listed = run(dir.path(), &["event", "list", "--json"]);
    let types: Vec<String> = text(&listed.stdout)
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["event_type"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(types.len(), 252);
    let nowhere: Vec<&String> = types
        .iter()
        .filter(|event_type| {
            let triggered = run(dir.path(), &["trigger", event_type, "--json"]);
            assert_eq!(
                triggered.status.code(),
                Some(0),
                "{event_type}: {}",
                text(&triggered.stderr)
            );
            let published: Value = serde_json::from_slice(&triggered.stdout).unwrap();
            published["deliveries"].as_array().unwrap().is_empty()
        })
        .collect();
    assert_eq!(nowhere, Vec::<&String>::new());
}

#[test]
fn a_restart_keeps_apps_and_credentials_and_follows_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, before) = Running::dev(dir.path());
    drop(dev);
    let (_dev, after) = Running::dev(dir.path());
    for name in ["admin_token", "app_id", "app_secret", "verification_token"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    // The store app's inbox moved with the port.
    let ticket = run(dir.path(), &["trigger", "app_ticket", "--wait"]);
    assert_eq!(ticket.status.code(), Some(0), "{}", text(&ticket.stderr));
}

#[cfg(unix)]
#[test]
fn the_data_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let home = dir.path().join(".larkspur");
    assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&home).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
}

#[test]
fn a_web_page_cannot_drive_dev() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let url = ready["url"].as_str().unwrap();
    let bearer = format!("Bearer {}", ready["admin_token"].as_str().unwrap());
    let token = ("Authorization", bearer.as_str());
    assert_eq!(get(url, &[token]).0, 200);
    assert_eq!(get(url, &[]).0, 401);
    assert_eq!(get(url, &[token, ("Host", "evil.example:80")]).0, 421);
    assert_eq!(get(url, &[token, ("Origin", "https://evil.example")]).0, 403);
}

#[test]
fn apps_are_made_and_their_secrets_are_shown_on_request_only() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let made = run(
        dir.path(),
        &[
            "app",
            "create",
            "mine",
            "--scope",
            "hire:exam",
            "--event",
            EXAM,
            "--mode",
            "websocket",
            "--json",
        ],
    );
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let (id, secret) = (made["app_id"].as_str().unwrap(), made["app_secret"].as_str().unwrap());
    let shown = run(dir.path(), &["app", "show", id]);
    assert!(!text(&shown.stdout).contains(secret));
    let revealed = run(dir.path(), &["app", "show", id, "--reveal"]);
    assert!(text(&revealed.stdout).contains(secret));
    let refused = run(dir.path(), &["app", "update", id, "--event", "app.no_such_v1"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("hint:"), "{}", text(&refused.stderr));
}

#[test]
fn what_goes_wrong_has_an_exit_code_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, says: &str| {
        let ended = run(dir.path(), arguments);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    };
    check(
        &["trigger", "hire.eco_exam.create_v1"],
        2,
        "did you mean `hire.eco_exam.created_v1`?",
    );
    check(&["trigger", EXAM, "--set", "nothing"], 2, "hint:");
    check(&["trigger", EXAM, "--url", "http://127.0.0.1:1"], 4, "larkspur dev");
    check(&["listen"], 2, "larkspur dev");
    check(&["event", "show", "no.such"], 2, "larkspur event list");
    check(&["no-such-command"], 2, "unrecognized");
    check(&["serve", "--config", "missing.toml"], 2, "missing.toml");
    std::fs::write(dir.path().join("larkspur.toml"), "listen = \"127.0.0.1:0\"\n").unwrap();
    check(&["serve"], 2, "LARKSPUR_ADMIN_TOKEN");
    let (_dev, _) = Running::dev(dir.path());
    check(&["dev", "--port", "0"], 1, "runs here already");
    check(&["trigger", EXAM, "--token", "wrong"], 3, "hint:");
    check(
        &[
            "trigger",
            EXAM,
            "--set",
            "exam_id=[1]",
            "--wait",
            "--timeout",
            "1",
            "--app",
            "cli_0000000000000000",
        ],
        1,
        "hint:",
    );
    check(&["trigger", EXAM, "--wait", "--timeout", "1"], 5, "still pending");
}

#[test]
fn the_demo_shows_both_modes() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Running::start(dir.path(), &["dev", "--json", "--port", "0", "--demo"]);
    for way in ["connection", "webhook"] {
        let arrived = demo.line(|line| line["way"] == way);
        assert_eq!(arrived["event_type"], "hire.eco_background_check.created_v1");
    }
}
