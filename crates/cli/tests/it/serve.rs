//! `larkspur serve`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use larkspur::{App, Domain, Meta, Router, State};
use serde_json::Value;

use crate::program::{Ended, Running, done, larkspur, run};

const EXAM: &str = "hire.eco_exam.created_v1";
const TOKEN: &str = "a token that is long enough";

fn configured(dir: &Path, configuration: &str) {
    std::fs::write(dir.join("larkspur.toml"), configuration).unwrap();
}

/// `serve` on a free port with a token, and its first line.
fn serve(dir: &Path, configuration: &str) -> (Running, Value) {
    configured(dir, &format!("listen = \"127.0.0.1:0\"\n{configuration}"));
    let mut command = larkspur(dir, &["serve", "--json"]);
    let serve = Running::spawn(command.env("LARKSPUR_ADMIN_TOKEN", TOKEN));
    let ready = serve.json(|_| true);
    assert_eq!(ready["ready"], true, "{ready}");
    (serve, ready)
}

#[test]
fn without_a_token_or_a_sound_configuration_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let check = |configuration: &str, token: Option<&str>, says: &str| {
        configured(dir.path(), configuration);
        let mut command = larkspur(dir.path(), &["serve"]);
        if let Some(token) = token {
            command.env("LARKSPUR_ADMIN_TOKEN", token);
        }
        let ended = Ended::from(command.output().unwrap());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (2, ""),
            "{configuration}: {}",
            ended.err
        );
        for what in [says, "hint: "] {
            assert!(ended.err.contains(what), "{what} is not in {}", ended.err);
        }
    };
    let listen = "listen = \"127.0.0.1:0\"\n";
    check(listen, None, "LARKSPUR_ADMIN_TOKEN");
    check(listen, Some("too short"), "20 characters");
    check(&format!("{listen}admin_token_file = \"missing\""), None, "missing");
    check("", Some(TOKEN), "listen");
    check(&format!("{listen}[delivery]\nretries = 3"), Some(TOKEN), "retries");
    check(
        &format!("{listen}[sessions]\nper_app_max = 0"),
        Some(TOKEN),
        "sessions.per_app_max",
    );
    let tls = format!("{listen}[tls]\ncertificate = \"no.pem\"\nkey = \"no.pem\"");
    check(&tls, Some(TOKEN), "no.pem");
    let missing = run(dir.path(), &["serve", "--config", "other.toml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("other.toml"), "{}", missing.err);
}

#[test]
fn the_token_may_stand_in_a_file_and_opens_the_admin_api() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).unwrap();
    configured(dir.path(), "listen = \"127.0.0.1:0\"\nadmin_token_file = \"token\"");
    let serve = Running::start(dir.path(), &["serve", "--json"]);
    let ready = serve.json(|_| true);
    let url = ready["url"].as_str().unwrap();
    let made = ["app", "create", "mine", "--url", url, "--token", TOKEN, "--json"];
    let made = done(dir.path(), &made).json();
    // Nothing is in force before a version is published.
    assert_eq!(
        (&made[0]["name"], &made[0]["published"]),
        (&"mine".into(), &Value::Null)
    );
    let refused = run(dir.path(), &["app", "list", "--url", url]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("LARKSPUR_TOKEN"), "{}", refused.err);
}

/// A certificate for `localhost` and its key, as files.
fn certificate(dir: &Path) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = dir.join("certificate.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    path
}

async fn received(meta: Meta, State(sender): State<Sender<String>>) {
    let _ = sender.send(meta.event_type);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_https_and_wss_with_a_certificate_given_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let (_serve, ready) = serve(
        dir.path(),
        "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"",
    );
    let url = ready["url"].as_str().unwrap().replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://localhost:"), "{url}");
    let reach = ["--url", &url, "--token", TOKEN, "--json"];
    let trusting = [&reach[..], &["--ca-file", certificate.to_str().unwrap()]].concat();

    // Without the authority there is no connection, and the hint says what is missing.
    let refused = run(dir.path(), &[&["app", "list"], &reach[..]].concat());
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("--ca-file"), "{}", refused.err);

    let create = ["app", "create", "mine", "--tenant", "t", "--mode", "websocket"];
    let subscribe = ["--scope", "hire:exam", "--event", EXAM];
    let app = done(dir.path(), &[&create[..], &subscribe, &trusting].concat())
        .json()
        .remove(0);
    let (id, secret) = (app["app_id"].as_str().unwrap(), app["app_secret"].as_str().unwrap());
    done(dir.path(), &[&["app", "publish", id], &trusting[..]].concat());

    let (sender, events) = channel();
    let client = App::new(id, secret)
        .unwrap()
        .domain(Domain::parse(&url).unwrap())
        .root_certificates(&certificate);
    let router = Router::new().fallback(received).with_state(sender);
    let client = tokio::spawn(client.connect(router).into_future());
    let trigger = ["trigger", EXAM, "--tenant", "t", "--app", id, "--wait"];
    done(dir.path(), &[&trigger[..], &trusting].concat());
    assert_eq!(events.recv_timeout(Duration::from_mins(1)).unwrap(), EXAM);
    client.abort();
}
