//! Request URLs that lead into the platform's own network: refused however they are written, and also when a name
//! leads there only after it was checked.

use serde_json::{Value, json};

use crate::api::{Api, event_for};
use crate::process::Launch;
use crate::sink::Sink;
use crate::until;

/// One address, or another way to write one, for each special range of the two registries that the guard goes by.
const SPECIAL: [&str; 52] = [
    "0.0.0.0",
    "0",
    "0.255.255.255",
    "10.0.0.1",
    "0xa.1",
    "012.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "169.254.169.254",
    "0xa9fea9fe",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::10.0.0.1]",
    "[100::1]",
    "[2001::1]",
    "[2001:10::1]",
    "[2001:db8::1]",
    "[2002:a00:1::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
];

/// Feishu gives an endpoint a second to answer a challenge, which a busy machine may not keep.
const SETTINGS: &str = "[delivery]\nchallenge_timeout_ms = 50000";

#[tokio::test(flavor = "multi_thread")]
async fn no_request_url_leads_into_a_special_range_however_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::serve(dir.path(), SETTINGS).start();
    let sink = Sink::taking().await;
    let port = sink.url.rsplit(':').next().unwrap();
    for host in SPECIAL {
        let (status, answer) = platform
            .api
            .try_create_app("app", &format!("http://{host}:{port}"), false)
            .await;
        assert_eq!(status, 422, "{host}: {answer}");
        assert!(
            answer["detail"].as_str().unwrap().contains("which is"),
            "{host}: {answer}"
        );
        assert!(answer["hint"].is_string(), "{host}: {answer}");
    }
    assert_eq!(platform.api.get("/api/v1/apps").await["items"], json!([]));
}

/// An address of the public internet; the shim leads connections to it back to this machine.
const PUBLIC: &str = "1.2.3.4";

async fn only_attempt(api: &Api, id: &str) -> Value {
    let mut attempts = Vec::new();
    until("it was tried", async || {
        attempts = api.attempts(id).await;
        !attempts.is_empty()
    })
    .await;
    attempts.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_after_it_was_checked_is_refused_when_it_is_pushed_to() {
    let dir = tempfile::tempdir().unwrap();
    let names = dir.path().join("names");
    let leads_to = |address: &str| std::fs::write(&names, format!("hook.test {address}\n")).unwrap();
    leads_to(PUBLIC);
    let platform = Launch::serve(dir.path(), SETTINGS)
        .shimmed("LARKSPUR_SHIM_NAMES", &names)
        .with("LARKSPUR_SHIM_STAND_IN", PUBLIC)
        .start();
    let (api, sink) = (&platform.api, Sink::taking().await);
    let (status, app) = api
        .try_create_app("app", &sink.url.replace("127.0.0.1", "hook.test"), false)
        .await;
    assert!(
        (200..300).contains(&status),
        "the name was checked while it was public: {app}"
    );
    let app = app["app_id"].as_str().unwrap();
    for (n, address) in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
    ]
    .into_iter()
    .enumerate()
    {
        leads_to(address);
        let id = format!("rebound-{n}");
        let (status, _) = api.publish(&event_for(app, &id)).await.unwrap();
        assert_eq!(status, 200);
        let attempt = only_attempt(api, &id).await;
        let error = attempt["error"].as_str().unwrap();
        assert!(
            error.starts_with(&format!("`hook.test` has the address {address}, which is")),
            "{error}"
        );
    }
    assert_eq!(sink.n_came(), 0);
    leads_to(PUBLIC);
    api.publish(&event_for(app, "home")).await.unwrap();
    until("it leads home again", async || sink.took("home")).await;
}
