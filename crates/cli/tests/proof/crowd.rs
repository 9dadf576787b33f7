//! Thousands of connections at once, and more than there are file descriptors.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::api::{event, publish_on};
use crate::process::Launch;
use crate::sink::Sink;
use crate::until;

const CROWD_MAX: usize = 10_000;
/// A connection that says next to nothing costs this much at most, in KiB, in a debug build.
const KIB_EACH_MAX: u64 = 32;

/// How many files this process may open; the platform inherits the limit.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

async fn connect(address: &str, n_connections: usize) -> Vec<TcpStream> {
    let mut connecting = JoinSet::new();
    for _ in 0..n_connections {
        let address = address.to_owned();
        connecting.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Of more than fit into its queue the kernel believes those only that send something.
            stream.write_all(b"G").await.unwrap();
            stream
        });
    }
    connecting.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_connections_at_once_cost_little_and_shut_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::dev(dir.path()).start();
    let (api, sink) = (&platform.api, Sink::taking().await);
    api.create_app("sink", &sink.url).await;
    api.publish(&event("before")).await.unwrap();
    until("it is served", async || sink.took("before")).await;
    let (before, _) = platform.memory_mib();
    // Other tests of this process need some too.
    let n_connections = CROWD_MAX.min(descriptors().saturating_sub(500) / 2);
    let crowd = connect(api.address(), n_connections).await;
    let open = async || api.metric("larkspur_connections_open").await;
    until("nearly all are open", async || {
        open().await * 10 > n_connections as u64 * 9
    })
    .await;
    let (status, _) = api.publish(&event("during")).await.unwrap();
    assert_eq!(status, 200);
    until("it is served", async || sink.took("during")).await;
    let (now, _) = platform.memory_mib();
    let kib_each = (now - before) * 1024 / crowd.len() as u64;
    assert!(
        kib_each <= KIB_EACH_MAX,
        "{kib_each} KiB each for {} connections",
        crowd.len()
    );
    drop(crowd);
    api.publish(&event("after")).await.unwrap();
    until("it is served", async || sink.took("after")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_file_descriptors_it_says_so_and_goes_on_when_there_are_some() {
    const DESCRIPTORS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let platform = Launch::dev(dir.path()).with_descriptors(DESCRIPTORS).start();
    let (api, sink) = (&platform.api, Sink::taking().await);
    api.create_app("sink", &sink.url).await;
    let mut connected = TcpStream::connect(api.address()).await.unwrap();
    assert_eq!(
        publish_on(&mut connected, api, &event("before")).await,
        "HTTP/1.1 200 OK"
    );
    let crowd = connect(api.address(), 2 * DESCRIPTORS).await;
    until("it says so", async || platform.log().contains("Too many open files")).await;
    // Who is connected already is served, and what is accepted is kept, though nothing can be pushed.
    assert_eq!(
        publish_on(&mut connected, api, &event("meanwhile")).await,
        "HTTP/1.1 200 OK"
    );
    drop(crowd);
    until("it is pushed after all", async || {
        api.advance(300).await;
        sink.took("meanwhile")
    })
    .await;
    assert!(api.metric("larkspur_accepts_failed_total").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_as_many_file_descriptors_as_it_may_have() {
    const DESCRIPTORS: usize = 100;
    const CROWD: usize = 2 * DESCRIPTORS;
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::dev(dir.path()).with_descriptors_at_first(DESCRIPTORS);
    let platform = launch.start();
    let crowd = connect(platform.api.address(), CROWD).await;
    let open = async || platform.api.metric("process_open_fds").await;
    until("all are accepted", async || open().await > CROWD as u64).await;
    assert!(platform.api.metric("process_max_fds").await > CROWD as u64);
    drop(crowd);
}
