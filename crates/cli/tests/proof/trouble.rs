//! A store in trouble and too much at once: each ends in a clear error and is counted, the process lives, and what was
//! accepted stays.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::api::{Api, event, publish_head, read_answer};
use crate::process::Launch;
use crate::shim::{BROKEN, Control, NO_SPACE, READ_ONLY};
use crate::sink::{Reply, Sink};
use crate::until;

const SETTINGS: &str = "[delivery]\nallow_private_addresses = true";

async fn accepted(api: &Api, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        let (status, answer) = api.publish(&event(&id)).await.unwrap();
        assert_eq!(
            (status, &answer["repeated"]),
            (200, &Value::Bool(false)),
            "{id}: {answer}"
        );
    }
}

fn named(name: &str, n_events: usize) -> impl Iterator<Item = String> {
    (0..n_events).map(move |n| format!("{name}-{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_can_be_written_producers_are_told_and_nothing_accepted_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::new(dir.path());
    let platform = Launch::serve(dir.path(), SETTINGS)
        .shimmed("LARKSPUR_SHIM_CONTROL", &control.path)
        .start();
    let (api, sink) = (&platform.api, Sink::taking().await);
    api.create_app("sink", &sink.url).await;
    accepted(api, named("before", 5)).await;
    let troubles = [
        ("full", Control::fail_writing as fn(&Control, i32), NO_SPACE),
        ("read-only", Control::fail_writing, READ_ONLY),
        ("broken", Control::fail_writing, BROKEN),
        ("unsynced", Control::fail_syncing, BROKEN),
    ];
    for (name, fail, error) in troubles {
        let counted = api.refused("store_failed").await;
        fail(&control, error);
        for id in named(name, 3) {
            let (status, answer) = api.publish(&event(&id)).await.unwrap();
            assert_eq!(
                (status, &answer["code"]),
                (503, &"store_failed".into()),
                "{name}: {answer}"
            );
            assert!(answer["hint"].is_string(), "{answer}");
        }
        assert_eq!(api.refused("store_failed").await, counted + 3);
        api.get("/healthz").await;
        fail(&control, 0);
        // Nothing of what was refused is there, so the same events are new.
        accepted(api, named(name, 3)).await;
    }
    let all: Vec<_> = named("before", 5)
        .chain(troubles.iter().flat_map(|(name, ..)| named(name, 3)))
        .collect();
    until("all accepted events arrive", async || {
        all.iter().all(|id| sink.took(id))
    })
    .await;
    until("the log says why", async || platform.log().contains("disk is full")).await;
    platform.kill();
    let platform = Launch::serve(dir.path(), SETTINGS).start();
    for id in &all {
        platform.api.get(&format!("/api/v1/events/{id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_read_only_file_system_it_does_not_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::new(dir.path());
    let launch = || Launch::serve(dir.path(), SETTINGS).shimmed("LARKSPUR_SHIM_CONTROL", &control.path);
    let platform = launch().start();
    accepted(&platform.api, named("stays", 1)).await;
    platform.stop();
    control.fail_opening(READ_ONLY);
    let ended = launch().ended();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for what in ["larkspur.db", "Read-only file system", "hint"] {
        assert!(said.contains(what), "{what} is not in {said}");
    }
    control.fail_opening(0);
    launch().start().api.get("/api/v1/events/stays-0").await;
}

/// Overwrites the page of the table of events that holds this one.
fn corrupt(database: &Path, id: &str) {
    const PAGE: usize = 4096;
    const TABLE_LEAF: u8 = 13;
    let bytes = std::fs::read(database).unwrap();
    let holds = |page: &[u8]| page[0] == TABLE_LEAF && page.windows(id.len()).any(|part| part == id.as_bytes());
    let n_page = bytes.chunks(PAGE).position(holds).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(database).unwrap();
    file.write_all_at(&[0xaa; PAGE], (n_page * PAGE) as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_page_costs_what_was_on_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::dev(dir.path()).start();
    let is_up = Arc::new(AtomicBool::new(false));
    let answer = {
        let is_up = Arc::clone(&is_up);
        move |_: &str, _| Reply {
            status: if is_up.load(Ordering::Relaxed) {
                StatusCode::OK
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            },
            ..Reply::TAKE
        }
    };
    let sink = Sink::answering(answer).await;
    platform.api.create_app("sink", &sink.url).await;
    accepted(&platform.api, (100..200).map(|n| format!("page-{n}"))).await;
    until("all have failed", async || platform.api.in_memory().await == 0).await;
    platform.stop();
    corrupt(&dir.path().join(".larkspur/larkspur.db"), "page-150");

    let platform = Launch::dev(dir.path()).start();
    let api = &platform.api;
    let (status, answer) = api.json(Method::GET, "/api/v1/events/page-150", &Value::Null).await;
    assert_eq!((status, &answer["code"]), (503, &"store_failed".into()), "{answer}");
    assert_eq!(api.refused("store_failed").await, 1);
    until("the log says why", async || platform.log().contains("malformed")).await;
    for id in ["page-100", "page-199"] {
        api.get(&format!("/api/v1/events/{id}")).await;
    }
    is_up.store(true, Ordering::Relaxed);
    accepted(api, named("after", 20)).await;
    api.advance(15).await;
    until("what is on other pages arrives, and what is new", async || {
        let others = ["page-100", "page-199"].iter().all(|id| sink.took(id));
        others && named("after", 20).all(|id| sink.took(&id))
    })
    .await;
    until("all that can be read has arrived", async || {
        api.metric("larkspur_deliveries_pending").await == api.metric("larkspur_store_failures_total").await
    })
    .await;
    assert!(!sink.took("page-150"));
    let n_lost = 120 - sink.n_taken();
    assert!((1..40).contains(&n_lost), "{n_lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_clock_jumps_back_events_go_on_and_what_waits_comes_at_its_time() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let dir = tempfile::tempdir().unwrap();
    let control = Control::new(dir.path());
    let platform = Launch::serve(dir.path(), SETTINGS)
        .shimmed("LARKSPUR_SHIM_CONTROL", &control.path)
        .start();
    let fails_once = |id: &str, before: usize| Reply {
        status: if id == "waits" && before == 0 {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        },
        ..Reply::TAKE
    };
    let (api, sink) = (&platform.api, Sink::answering(fails_once).await);
    api.create_app("sink", &sink.url).await;
    api.publish(&event("waits")).await.unwrap();
    until("it failed", async || api.attempts("waits").await.len() == 1).await;
    let noticed = async || api.metric("larkspur_clock_set_back_total").await;
    control.set_clock_ahead(-DAY_MS);
    until("it is noticed", async || noticed().await == 1).await;
    until("the log says so", async || {
        platform.log().contains("the clock was set back")
    })
    .await;
    for (n, ahead_ms) in [-DAY_MS, DAY_MS, -DAY_MS, 0].into_iter().enumerate() {
        control.set_clock_ahead(ahead_ms);
        accepted(api, named(&format!("jump-{n}"), 5)).await;
        until("events arrive", async || {
            named(&format!("jump-{n}"), 5).all(|id| sink.took(&id))
        })
        .await;
    }
    // The jump to the next day made it due.
    until("the one that waited arrives", async || sink.took("waits")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_100_mb_is_refused_counted_and_costs_no_memory() {
    const BODY_BYTES: usize = 100_000_000;
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::serve(dir.path(), SETTINGS).start();
    let api = &platform.api;
    accepted(api, named("before", 1)).await;
    let (before, _) = platform.memory_mib();
    for framing in [
        format!("content-length: {BODY_BYTES}"),
        "transfer-encoding: chunked".to_owned(),
    ] {
        let (mut answers, mut body) = TcpStream::connect(api.address()).await.unwrap().into_split();
        body.write_all(publish_head(api, &framing).as_bytes()).await.unwrap();
        let sending = tokio::spawn(async move {
            let part = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
            for _ in 0..BODY_BYTES / 0x10000 {
                if body.write_all(&part).await.is_err() {
                    break;
                }
            }
        });
        assert_eq!(read_answer(&mut answers).await, "HTTP/1.1 413 Payload Too Large");
        sending.abort();
    }
    assert_eq!(api.refused("body_too_large").await, 2);
    let (_, most) = platform.memory_mib();
    // The largest body that is taken has 32 MiB.
    assert!(most - before < 48, "{before} MiB became {most} MiB");
    accepted(api, named("after", 1)).await;
    for id in named("before", 1) {
        api.get(&format!("/api/v1/events/{id}")).await;
    }
}
