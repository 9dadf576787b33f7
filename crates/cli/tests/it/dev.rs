//! `larkspur dev`.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::http::{Endpoint, request};
use crate::program::{Running, done, passed, run};

#[test]
fn the_first_line_is_all_a_program_needs() {
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
    let bearer = format!("Bearer {}", ready["admin_token"].as_str().unwrap());
    let url = ready["url"].as_str().unwrap();
    let (status, _) = request(url, "GET /api/v1/apps", &[("Authorization", &bearer)], "");
    assert_eq!(status, 200);
}

#[test]
fn people_are_told_how_to_connect_and_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Running::start(dir.path(), &["dev", "--port", "0"]);
    let mut told = String::new();
    while !told.contains("larkspur trigger") {
        told.push_str(&dev.line());
        told.push('\n');
    }
    for what in [
        "http://127.0.0.1:",
        "cli_",
        "python",
        "node",
        "go",
        "java",
        "rust",
        "next",
    ] {
        assert!(told.contains(what), "{what} is not in {told}");
    }
}

/// The apps' ids and request URLs.
fn apps(dir: &Path) -> Vec<(String, String)> {
    let text = |app: &Value, name: &str| app[name].as_str().unwrap_or_default().to_owned();
    let apps = done(dir, &["app", "list", "--json"]).json();
    apps.iter()
        .map(|app| (text(app, "app_id"), text(app, "event_url")))
        .collect()
}

#[test]
fn a_restart_keeps_apps_and_credentials_and_the_inbox_follows_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, before) = Running::dev(dir.path());
    let apps_before = apps(dir.path());
    drop(dev);
    // Else the next one may get the same port again.
    let _taken = TcpListener::bind(before["url"].as_str().unwrap().trim_start_matches("http://"));
    let (_dev, after) = Running::dev(dir.path());
    for name in [
        "admin_token",
        "app_id",
        "app_secret",
        "verification_token",
        "encrypt_key",
    ] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let url = after["url"].as_str().unwrap();
    assert_ne!(before["url"], after["url"]);
    let apps_after = apps(dir.path());
    assert_eq!(apps_after.len(), 3);
    for ((id_before, _), (id, inbox)) in apps_before.iter().zip(&apps_after) {
        assert_eq!(id_before, id);
        assert!(inbox.is_empty() || *inbox == format!("{url}/inbox/{id}"), "{inbox}");
    }
    done(dir.path(), &["trigger", "app_ticket", "--wait"]);
}

#[test]
fn a_request_url_of_the_developers_own_is_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, _) = Running::dev(dir.path());
    let endpoint = Endpoint::start();
    let (webhook, _) = apps(dir.path())
        .into_iter()
        .find(|(_, inbox)| !inbox.is_empty())
        .unwrap();
    done(dir.path(), &["app", "update", &webhook, "--encrypt-key", ""]);
    passed(dir.path(), &["app", "update", &webhook, "--event-url", &endpoint.url]);
    drop(dev);
    let (_dev, _) = Running::dev(dir.path());
    assert!(apps(dir.path()).contains(&(webhook.clone(), endpoint.url.clone())));
    done(
        dir.path(),
        &["trigger", "im.message.receive_v1", "--app", &webhook, "--wait"],
    );
    endpoint.event("im.message.receive_v1");
}

#[cfg(unix)]
#[test]
fn the_data_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let home = dir.path().join(".larkspur");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    let files: Vec<_> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.iter().any(|file| file.ends_with("dev.json")), "{files:?}");
    for file in &files {
        assert_eq!(mode(file), 0o600, "{file:?}");
    }
}

#[test]
fn a_web_page_cannot_drive_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, ready) = Running::dev(dir.path());
    let url = ready["url"].as_str().unwrap();
    let bearer = format!("Bearer {}", ready["admin_token"].as_str().unwrap());
    let token = ("Authorization", bearer.as_str());
    for (line, allowed) in [("GET /api/v1/apps", 200), ("POST /callback/ws/endpoint", 200)] {
        let status = |headers: &[(&str, &str)]| request(url, line, headers, "{}").0;
        assert_eq!(status(&[token, ("Host", "evil.example:80")]), 421, "{line}");
        assert_eq!(status(&[token, ("Origin", "https://evil.example")]), 403, "{line}");
        assert_eq!(status(&[token, ("Origin", url)]), allowed, "{line}");
    }
    assert_eq!(request(url, "GET /api/v1/apps", &[], "").0, 401);
}

#[test]
fn a_second_one_in_the_same_folder_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let second = run(dir.path(), &["dev", "--port", "0"]);
    assert_eq!((second.code, second.out.as_str()), (1, ""));
    assert!(second.err.contains("runs here already"), "{}", second.err);
    // The first one is none the worse for it.
    assert_eq!(apps(dir.path()).len(), 3);
}

#[test]
fn a_port_in_use_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = run(dir.path(), &["dev", "--port", &port]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(refused.err.contains("--port 0"), "{}", refused.err);
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_a_request_to_terminate_end_it_well() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let (dev, _) = Running::dev(dir.path());
        assert_eq!(dev.stop(signal).code(), Some(0), "{signal}");
    }
}

#[test]
fn the_demo_shows_both_modes() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Running::start(dir.path(), &["dev", "--json", "--port", "0", "--demo"]);
    for way in ["connection", "webhook"] {
        demo.json(|line| line["way"] == way && line["event_type"] == "hire.eco_background_check.created_v1");
    }
}
