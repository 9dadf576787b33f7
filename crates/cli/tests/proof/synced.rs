//! Accepted means synced, shown and not assumed: a kill alone would lose nothing even if nothing were ever synced.
//!
//! The shim traces what the platform writes to the write-ahead log, when it syncs it, and what it sends. Every event is
//! followed through: the page that holds it, the frame that ends its commit, a sync begun after that and ended before
//! the first byte that anybody is told of the event, producer or endpoint.
//!
//! The format of the log: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::collections::BTreeMap;

use crate::api::{Api, event};
use crate::process::Launch;
use crate::sink::Sink;
use crate::until;

const PRODUCERS: usize = 8;
const EVENTS_EACH: usize = 30;
/// What the id of every event here begins with; four digits follow.
const MARK: &[u8] = b"traced-";

/// One line of the trace: `struct traced` of `shim.c` and the content.
struct Traced<'a> {
    kind: u8,
    file: u8,
    content: &'a [u8],
}

const WAL: u8 = 2;

/// The trace in order; its last line may be cut short by the kill.
fn read(mut bytes: &[u8]) -> Vec<Traced<'_>> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(16) {
        let length = u32::from_ne_bytes(head[4..8].try_into().unwrap());
        let Some((content, rest)) = rest.split_at_checked(length as usize) else {
            break;
        };
        all.push(Traced {
            kind: head[0],
            file: head[1],
            content,
        });
        bytes = rest;
    }
    all
}

/// The events that these bytes name.
fn named(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let marked = bytes.windows(MARK.len() + 4).filter(|window| window.starts_with(MARK));
    marked.filter(|window| window[MARK.len()..].iter().all(u8::is_ascii_digit))
}

/// Where the first line of each event is, of those that `of` selects.
fn first<'a>(lines: &[Traced<'a>], of: impl Fn(&Traced<'a>) -> bool) -> BTreeMap<&'a [u8], usize> {
    let mut first = BTreeMap::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| of(line)) {
        for event in named(line.content) {
            first.entry(event).or_insert(at);
        }
    }
    first
}

/// Where the last page of each commit was written. A frame is a head of 24 bytes and then the page, in two writes; the
/// head of the last frame of a commit has the size of the database, in pages, where others have 0.
fn commits(lines: &[Traced<'_>]) -> Vec<usize> {
    let mut commits = Vec::new();
    let mut ends_commit = None;
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.kind == b'W' && line.file == WAL)
    {
        match (ends_commit.take(), line.content.len()) {
            (None, 24) => ends_commit = Some(line.content[4..8] != [0; 4]),
            // The head of the whole log.
            (None, 32) => {}
            (Some(ends), _) => commits.extend(ends.then_some(at)),
            (None, other) => panic!("{other} bytes where a frame should begin"),
        }
    }
    commits
}

/// The end of the first sync of the log that was begun after this line.
fn synced(lines: &[Traced<'_>], after: usize) -> Option<usize> {
    let next = |kind: u8, after: usize| {
        let wanted = |line: &Traced<'_>| line.kind == kind && line.file == WAL;
        lines[after + 1..].iter().position(wanted).map(|at| after + 1 + at)
    };
    next(b'S', next(b'b', after)?)
}

async fn produce(api: Api, producer: usize) {
    for n in 0..EVENTS_EACH {
        let id = format!("traced-{:04}", producer * EVENTS_EACH + n);
        let (status, answer) = api.publish(&event(&id)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_an_event_before_its_commit_was_written_and_then_synced() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let settings = "[delivery]\nallow_private_addresses = true";
    let platform = Launch::serve(dir.path(), settings)
        .shimmed("LARKSPUR_SHIM_TRACE", &trace)
        .start();
    let sink = Sink::taking().await;
    platform.api.create_app("sink", &sink.url).await;
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|n| tokio::spawn(produce(platform.api.clone(), n)))
        .collect();
    for producer in producers {
        producer.await.unwrap();
    }
    until("all are pushed", async || sink.n_taken() == PRODUCERS * EVENTS_EACH).await;
    platform.kill();

    let bytes = std::fs::read(&trace).unwrap();
    let lines = read(&bytes);
    let commits = commits(&lines);
    let written = first(&lines, |line| line.kind == b'W' && line.file == WAL);
    let sent = first(&lines, |line| line.kind == b'A');
    let is_answer = |line: &Traced<'_>| line.kind == b'A' && line.content.starts_with(b"HTTP/1.1 200");
    let answered = first(&lines, is_answer);
    assert_eq!(
        (sent.len(), answered.len()),
        (PRODUCERS * EVENTS_EACH, PRODUCERS * EVENTS_EACH)
    );
    for (event, told) in sent {
        let name = String::from_utf8_lossy(event);
        let written = written[event];
        let committed = *commits.iter().find(|at| **at >= written).unwrap();
        let synced = synced(&lines, committed).unwrap_or(usize::MAX);
        assert!(
            synced < told,
            "{name}: in line {written}, committed in {committed}, synced in {synced}, told in {told}"
        );
    }
}
