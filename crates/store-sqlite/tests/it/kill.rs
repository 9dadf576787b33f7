//! A process that is killed has lost nothing that it answered.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use larkspur_store::{DeliveryQueue, EventQuery, Log};

use crate::{event, open};

/// Set for the process that is killed: the folder to write to.
const KILLED: &str = "LARKSPUR_TEST_KILLED_WRITER";
/// Producers in that process, so that commits carry several events.
const PRODUCERS: u32 = 4;
/// The most one producer writes, so that all fit on one page.
const EVENTS_EACH: u32 = 240;
/// The process is killed when it has answered this many.
const ANSWERED_AT_KILL: usize = 300;

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    if let Some(dir) = std::env::var_os(KILLED) {
        return write_until_killed(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::what_was_answered_survives_a_kill", "--nocapture"])
        .env(KILLED, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = BTreeSet::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        answered.extend(line.strip_prefix("answered ").and_then(|n| n.parse::<u32>().ok()));
        if answered.len() == ANSWERED_AT_KILL {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "it was killed before it could end");
    assert!(answered.len() >= ANSWERED_AT_KILL);
    let query = EventQuery {
        limit: 1_000,
        ..EventQuery::default()
    };
    let page = open(dir.path()).unwrap().events(&query).await.unwrap();
    let stored: BTreeSet<_> = page.rows.into_iter().map(|row| row.id).collect();
    let lost: Vec<_> = answered
        .into_iter()
        .filter(|n| !stored.contains(&event(*n).id))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

async fn write_until_killed(dir: &Path) {
    let store = Arc::new(open(dir).unwrap());
    let produce = |producer: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..EVENTS_EACH {
                let n = producer * EVENTS_EACH + n;
                store.accept(vec![event(n)]).await.unwrap();
                // One write, so that no line is cut in two by the kill.
                std::io::stdout()
                    .write_all(format!("answered {n}\n").as_bytes())
                    .unwrap();
            }
        })
    };
    for producer in (0..PRODUCERS).map(produce).collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    // The parent kills this process; ending by itself would prove nothing.
    std::future::pending::<()>().await;
}
