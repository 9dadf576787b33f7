//! P16: a platform that is killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use larkspur::{App, Domain, Meta, RawEvent, Router, State};
use larkspur_testkit::{Client, DeliveryState, TestPlatform};
use serde_json::json;

use crate::{EXAM, FIRST_RUNG, until};

/// Set for the process that is killed: the folder of its data.
const KILLED: &str = "LARKSPUR_TEST_KILLED_PLATFORM";
/// The process is killed when it has accepted this many at least, and some of them have arrived.
const ACCEPTED_AT_KILL: usize = 60;

/// Event ids by what the producer calls the event.
type Seen = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

async fn note(RawEvent(exam): RawEvent, meta: Meta, State(seen): State<Seen>) {
    let exam_id = exam["exam_id"].as_str().unwrap().to_owned();
    seen.lock().unwrap().entry(exam_id).or_default().push(meta.event_id);
}

/// P16, lark-cli#2740: with `kill -9` of the server no accepted event is lost, and none comes back under a new id.
#[tokio::test]
async fn kill9_platform() {
    if let Some(folder) = std::env::var_os(KILLED) {
        return publish_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "platform::kill9_platform", "--nocapture"])
        .env(KILLED, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let ready = lines
        .find_map(|line| line.strip_prefix("ready ").map(str::to_owned))
        .unwrap();
    let [url, id, secret] = ready.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{ready}")
    };
    let seen = Seen::default();
    let router = Router::new().fallback(note).with_state(Arc::clone(&seen));
    let app = App::new(id, secret).unwrap().domain(Domain::parse(url).unwrap());
    let before = Client::start(app.connect(router.clone()));
    let arrived = Arc::clone(&seen);
    let accepting = tokio::task::spawn_blocking(move || {
        let (mut accepted, mut killed) = (BTreeMap::new(), false);
        for line in lines {
            let Some((exam_id, event_id)) = line.strip_prefix("accepted ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            accepted.insert(exam_id.to_owned(), event_id.to_owned());
            if !killed && accepted.len() >= ACCEPTED_AT_KILL && !arrived.lock().unwrap().is_empty() {
                child.kill().unwrap();
                killed = true;
            }
        }
        assert!(!child.wait().unwrap().success(), "it was killed before it could end");
        accepted
    });
    let accepted = accepting.await.unwrap();
    assert!(!seen.lock().unwrap().is_empty(), "some arrived before the kill");
    drop(before);
    let lab = TestPlatform::in_folder(folder.path(), |_| {}).await;
    let _after = lab.client(router).await;
    lab.advance(FIRST_RUNG);
    let all_seen = || {
        let seen = seen.lock().unwrap();
        accepted.keys().all(|exam_id| seen.contains_key(exam_id))
    };
    until("every accepted event arrives", all_seen).await;
    for (exam_id, event_id) in &accepted {
        let event = event_id.parse().unwrap();
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        let ids = &seen.lock().unwrap()[exam_id];
        assert!(ids.iter().all(|id| id == event_id), "{exam_id}: {ids:?} for {event_id}");
    }
}

async fn publish_until_killed(folder: &Path) {
    let lab = TestPlatform::in_folder(folder, |_| {}).await;
    let apps = lab.engine().apps();
    let app = apps.iter().next().unwrap();
    let mut out = std::io::stdout();
    let ready = format!("\nready {} {} {}\n", lab.chaos_url(), app.id, app.app_secret.expose());
    out.write_all(ready.as_bytes()).unwrap();
    lab.online(1).await;
    for n in 0.. {
        let body = json!({ "event_type": EXAM, "event": { "exam_id": n.to_string() }, "app_id": app.id });
        let event = lab.publish(&body).await.unwrap().event_id;
        // One write, so that no line is cut in two by the kill.
        out.write_all(format!("accepted {n} {event}\n").as_bytes()).unwrap();
    }
}
