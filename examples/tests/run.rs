//! Every example, as its reader would start it, against a platform in this process.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use larkspur_testkit::{DeliveryState, TENANT, TestPlatform};
use larkspur_wire::AppId;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const CHECK: &str = "hire.eco_background_check.created_v1";
const EXAM: &str = "hire.eco_exam.created_v1";
/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running example; it ends with its value.
struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts an example with an app's credentials and more in the environment.
    fn start(platform: &TestPlatform, app: &AppId, name: &str, more: &[(&str, &str)]) -> Self {
        // Cargo builds the examples beside the tests.
        let test = std::env::current_exe().unwrap();
        let folder: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
        let apps = platform.engine().apps();
        let app = apps.get(app).unwrap();
        let mut child = Command::new(folder.join(name))
            .env("FEISHU_APP_ID", app.id.as_str())
            .env("FEISHU_APP_SECRET", app.app_secret.expose())
            .env("FEISHU_ENCRYPT_KEY", app.encrypt_key.expose())
            .env("FEISHU_VERIFICATION_TOKEN", app.verification_token.expose())
            .env("FEISHU_BASE_URL", platform.url())
            .env("LISTEN", "127.0.0.1:0")
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; `cargo test` without `--test` builds the examples"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Starts an example that connects, and waits until it is online.
    async fn connect(platform: &TestPlatform, name: &str) -> Self {
        let example = Self::start(platform, &app_id(platform), name, &[]);
        platform.online(1).await;
        example
    }

    /// One that has its app's events posted to it.
    async fn listen(platform: &TestPlatform, app: &AppId, name: &str, more: &[(&str, &str)]) -> Self {
        let mut example = Self::start(platform, app, name, more);
        let listening = example.line("listening on ").await;
        platform
            .set_url(app, listening.trim_start_matches("listening on "))
            .await;
        example
    }

    /// The next line that contains this.
    async fn line(&mut self, part: &str) -> String {
        let find = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("the example ended before it printed `{part}`"));
                if line.contains(part) {
                    return line;
                }
            }
        };
        let found = timeout(PATIENCE, find).await;
        found.unwrap_or_else(|_| panic!("the example never printed `{part}`"))
    }
}

fn app_id(platform: &TestPlatform) -> AppId {
    platform.app().id().parse().unwrap()
}

#[tokio::test]
async fn a_persistent_connection_prints_what_arrives_and_a_report_at_its_end() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "persistent_connection").await;
    let event = platform.trigger(CHECK).await;
    example.line(event.as_str()).await;
    example.line("background_check_id").await;
    platform.settled(&event).await;
    let pid = example.child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    example.line("1 handled").await;
    assert!(example.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn webhooks_print_what_arrives() {
    for name in ["webhook", "webhook_any_framework"] {
        for encrypted in [false, true] {
            let platform = TestPlatform::start().await;
            let app = platform.add_webhook_app(encrypted).await;
            let mut example = Example::listen(&platform, &app, name, &[]).await;
            platform.trigger_for(&app, CHECK).await;
            example.line("6931286400470354183").await;
        }
    }
}

#[tokio::test]
async fn a_card_button_is_answered() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "card_button").await;
    let tap = json!({ "action": { "name": "approve" } });
    let called = platform.call("card.action.trigger", &tap).await.unwrap();
    let toast = json!({ "toast": { "type": "success", "content": "approve: done" } });
    assert_eq!(called.answer, Some(toast));
    example.line("somebody tapped `approve`").await;
}

#[tokio::test]
async fn handlers_share_a_state() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "state").await;
    platform.trigger(CHECK).await;
    example.line("order 1: a background check").await;
    platform.trigger(EXAM).await;
    example.line("order 2: an exam").await;
}

#[tokio::test]
async fn types_without_a_struct_are_received_too() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "own_type").await;
    platform.trigger(EXAM).await;
    example.line("as a struct").await;
    platform.trigger(CHECK).await;
    example.line("as JSON").await;
    platform.trigger("im.message.receive_v1").await;
    example.line("nobody else takes `im.message.receive_v1`").await;
}

#[tokio::test]
async fn one_order_is_handled_once_although_two_events_are_about_it() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "once").await;
    let first = platform.trigger(CHECK).await;
    example.line("order ").await;
    let second = platform.trigger(CHECK).await;
    for event in [first, second] {
        platform.settled(&event).await;
    }
    let other = json!({ "background_check_id": "2" });
    let body = json!({ "event_type": CHECK, "event": other, "app_id": app_id(&platform) });
    platform.publish(&body).await.unwrap();
    assert_eq!(example.line("order ").await, "order 2");
}

#[tokio::test]
async fn what_is_too_old_has_a_handler_of_its_own() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "late").await;
    platform.trigger(CHECK).await;
    example.line("0 s old").await;
    let body = json!({
        "event_type": CHECK, "event": { "background_check_id": "1" }, "app_id": app_id(&platform),
        "create_time": "1608725989000",
    });
    let old = platform.publish(&body).await.unwrap().event_id;
    example.line(&format!("nobody waits for {}", old.as_str())).await;
}

#[tokio::test]
async fn a_layer_sees_every_handler() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "layer").await;
    platform.trigger(CHECK).await;
    example.line("order ").await;
    example.line(&format!("{CHECK} took ")).await;
}

#[tokio::test]
async fn events_are_pulled_one_by_one() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "pull").await;
    let event = platform.trigger(CHECK).await;
    example.line("order 6931286400470354183").await;
    platform.trigger(EXAM).await;
    example.line(&format!("something else: `{EXAM}`")).await;
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
}

#[tokio::test]
async fn an_inbox_acknowledges_before_the_handler_is_done() {
    let platform = TestPlatform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox.db");
    let inbox = [("INBOX", inbox.to_str().unwrap())];
    let mut example = Example::start(&platform, &app_id(&platform), "inbox", &inbox);
    platform.online(1).await;
    let event = platform.trigger(CHECK).await;
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
    example.line("is done at last").await;
    assert_eq!(platform.attempts(&event, 1).await.len(), 1);
}

#[tokio::test]
async fn a_probe_sees_that_the_client_is_online() {
    let platform = TestPlatform::start().await;
    let mut example = Example::start(&platform, &app_id(&platform), "status", &[]);
    let listening = example.line("listening on ").await;
    let (_, address) = listening.split_once("http://").unwrap();
    let address = address.trim_end_matches("/readyz").to_owned();
    example.line("Online").await;
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn two_apps_share_a_process() {
    let platform = TestPlatform::start().await;
    let (first, second) = (app_id(&platform), platform.add_app("second").await);
    let apps = platform.engine().apps();
    let secret = apps.get(&second).unwrap().app_secret.expose();
    let more = [("SECOND_APP_ID", second.as_str()), ("SECOND_APP_SECRET", secret)];
    let mut example = Example::start(&platform, &first, "several_apps", &more);
    for app in [&first, &second] {
        platform.until(async || platform.engine().hub().online(app) == 1).await;
        platform.trigger_for(app, CHECK).await;
        example.line(&format!("a check for {}", app.as_str())).await;
    }
}

#[tokio::test]
async fn a_store_app_gets_a_token_for_the_tenant_of_an_event() {
    let platform = TestPlatform::start().await;
    let app = platform.add_store_app().await;
    let mut example = Example::listen(&platform, &app, "store_app", &[]).await;
    platform.trigger_for(&app, CHECK).await;
    example.line(&format!("for {TENANT}")).await;
}

#[tokio::test]
async fn what_became_of_events_is_counted() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "counts").await;
    platform.trigger(CHECK).await;
    let wrong = json!({ "event_type": CHECK, "event": { "package_id": "13" }, "app_id": app_id(&platform) });
    platform.publish(&wrong).await.unwrap();
    platform.trigger(EXAM).await;
    example.line("1 handled, 1 failed, 1 without a handler").await;
}

#[tokio::test]
async fn a_link_is_shown_as_what_it_leads_to() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "link_preview").await;
    let link = json!({ "context": { "url": "https://example.com/tickets/7" } });
    let called = platform.call("url.preview.get", &link).await.unwrap();
    assert_eq!(called.answer, Some(json!({ "inline": { "title": "Ticket 7" } })));
    example.line("somebody posted https://example.com/tickets/7").await;
}

#[tokio::test]
async fn a_network_with_rules_of_its_own_is_no_obstacle() {
    let platform = TestPlatform::start().await;
    let mut example = Example::connect(&platform, "network").await;
    platform.trigger(EXAM).await;
    example.line(&format!("{EXAM} came through")).await;
}

#[tokio::test]
async fn a_strict_webhook_takes_the_old_key_and_the_new_one() {
    let platform = TestPlatform::start().await;
    let app = platform.add_webhook_app(true).await;
    let apps = platform.engine().apps();
    let key = apps.get(&app).unwrap().encrypt_key.expose();
    for keys in [
        [("FEISHU_ENCRYPT_KEY", key), ("NEXT_KEY", "another")],
        [("FEISHU_ENCRYPT_KEY", "another"), ("NEXT_KEY", key)],
    ] {
        let mut example = Example::listen(&platform, &app, "webhook_strict", &keys).await;
        let event = platform.trigger_for(&app, CHECK).await;
        example.line(&format!("a check: {}", event.as_str())).await;
    }
}
