//! How a platform ends: what was begun is finished, what is new is refused, and what is left is said.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{answer, read, request};
use crate::program::{Running, done, larkspur};

const EXAM: &str = "hire.eco_exam.created_v1";
const TOKEN: &str = "a token that is long enough";
const PATIENCE: Duration = Duration::from_mins(1);

/// An endpoint that takes requests and answers only what the test tells it to.
struct Silent {
    url: String,
    requests: Receiver<TcpStream>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(body) = read(&stream) else { continue };
                if body["type"] == "url_verification" {
                    let challenge = json!({"challenge": body["challenge"]}).to_string();
                    answer(&stream, "200 OK", challenge.as_bytes()).unwrap();
                } else {
                    let _ = sender.send(stream);
                }
            }
        });
        Self { url, requests }
    }

    /// The next push, which waits for its answer.
    fn push(&self) -> TcpStream {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

fn call(url: &str, line: &str, body: &Value) -> (u16, String) {
    let headers = [
        ("Authorization", &*format!("Bearer {TOKEN}")),
        ("Content-Type", "application/json"),
    ];
    request(url, line, &headers, &body.to_string())
}

fn publish(url: &str, app: &str) -> (u16, String) {
    call(
        url,
        "POST /api/v1/events",
        &json!({"event_type": EXAM, "event": {}, "app_id": app}),
    )
}

/// `serve` with one app whose endpoint this is, after one event has been pushed there.
fn serve_with_a_push(dir: &Path, endpoint: &Silent, grace_seconds: u32) -> (Running, String, String, TcpStream) {
    let settings = format!(
        "listen = \"127.0.0.1:0\"\n[delivery]\npush_timeout_ms = 50000\nchallenge_timeout_ms = 50000\n\
         allow_private_addresses = true\n[apps]\npublish_at_once = true\n[publish]\ndefault_tenant = \"t\"\n[shutdown]\ngrace_seconds = {grace_seconds}\n"
    );
    std::fs::write(dir.join("larkspur.toml"), settings).unwrap();
    let mut command = larkspur(dir, &["serve", "--json"]);
    let serve = Running::spawn(command.env("LARKSPUR_ADMIN_TOKEN", TOKEN));
    let url = serve.json(|_| true)["url"].as_str().unwrap().to_owned();
    let events = json!({"mode": "webhook", "url": endpoint.url, "types": [EXAM]});
    let app = json!({"name": "a", "kind": "custom", "tenants": ["t"], "scopes": "all", "events": events});
    let (status, app) = call(&url, "POST /api/v1/apps", &app);
    assert_eq!(status, 201, "{app}");
    let app: Value = serde_json::from_str(&app).unwrap();
    let app = app["app_id"].as_str().unwrap().to_owned();
    assert_eq!(publish(&url, &app).0, 200);
    let push = endpoint.push();
    (serve, url, app, push)
}

fn ready(url: &str) -> u16 {
    request(url, "GET /readyz", &[], "").0
}

fn until_unready(url: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while ready(url) != 503 {
        assert!(std::time::Instant::now() < deadline, "it stays ready");
        std::thread::yield_now();
    }
}

#[test]
fn a_push_on_its_way_ends_and_what_is_published_meanwhile_is_refused() {
    let (dir, endpoint) = (tempfile::tempdir().unwrap(), Silent::start());
    let (serve, url, app, push) = serve_with_a_push(dir.path(), &endpoint, 50);
    assert_eq!(ready(&url), 200);
    serve.signal("TERM");
    until_unready(&url);
    assert_eq!(request(&url, "GET /healthz", &[], "").0, 200);
    let (status, problem) = publish(&url, &app);
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("shutting_down"), "{problem}");
    answer(&push, "200 OK", b"{}").unwrap();
    assert_eq!(serve.json(|_| true), json!({"stopped": true, "pending": 0}));
    assert!(serve.wait().success());
}

#[test]
fn what_does_not_end_within_the_grace_is_left_and_counted() {
    let (dir, endpoint) = (tempfile::tempdir().unwrap(), Silent::start());
    let (serve, _, _, _push) = serve_with_a_push(dir.path(), &endpoint, 1);
    serve.signal("TERM");
    assert_eq!(serve.json(|_| true), json!({"stopped": true, "pending": 1}));
    assert!(serve.wait().success());
    // And the next start pushes it at once.
    let mut command = larkspur(dir.path(), &["serve", "--json"]);
    let _serve = Running::spawn(command.env("LARKSPUR_ADMIN_TOKEN", TOKEN));
    answer(&endpoint.push(), "200 OK", b"{}").unwrap();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (dir, endpoint) = (tempfile::tempdir().unwrap(), Silent::start());
    let (serve, url, _, _push) = serve_with_a_push(dir.path(), &endpoint, 50);
    serve.signal("TERM");
    until_unready(&url);
    serve.signal("INT");
    serve.says("ended at once");
    assert_eq!(serve.wait().code(), Some(1));
}

#[test]
fn what_is_due_later_is_counted_too_and_people_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Running::start(dir.path(), &["dev", "--port", "0"]);
    while !dev.line().contains("larkspur trigger") {}
    // Nobody listens, so that it is tried again in 15 s.
    done(dir.path(), &["trigger", EXAM]);
    while !dev.line().contains(EXAM) {}
    dev.signal("TERM");
    loop {
        let line = dev.line();
        if line.starts_with("stopped") {
            break assert!(line.contains("1 delivery is left"), "{line}");
        }
    }
    assert!(dev.wait().success());
}

#[test]
fn a_client_comes_back_to_a_platform_that_was_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, before) = Running::dev(dir.path());
    let listen = Running::start(dir.path(), &["listen", "--max-events", "1", "--timeout", "60s", "-v"]);
    listen.says("online");
    assert!(dev.stop("TERM").success());
    let port = before["url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let again = Running::start(dir.path(), &["dev", "--json", "--port", &port]);
    assert_eq!(again.json(|_| true)["url"], before["url"]);
    listen.says("online");
    done(dir.path(), &["trigger", EXAM]);
    assert_eq!(listen.json(|_| true)["event_type"], EXAM);
}
