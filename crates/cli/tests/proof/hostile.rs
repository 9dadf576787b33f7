//! Endpoints that answer in ways that hurt: the platform's memory stays flat, its deadline holds, and other apps do not
//! notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval, timeout};

use crate::api::{Api, event_for};
use crate::process::Launch;
use crate::sink::Sink;
use crate::until;

const MIB: usize = 1024 * 1024;
/// The platform's deadline for a push, and as much again for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(2 * 3);
/// What all of it together may cost, the queue of thousands included; one answer alone would be 400 MiB.
const MEMORY_MIB_MAX: u64 = 96;
/// What others may wait for their events; a slot that is held by somebody else's deadline would cost 3 s.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(2);

/// The longest time for which this machine stood still.
struct Standstill(Arc<AtomicU64>);

impl Standstill {
    /// Watches from a thread of its own, which nothing that this process does holds up, until it is dropped.
    fn watch() -> Self {
        const TICK: Duration = Duration::from_millis(10);
        let longest = Arc::new(AtomicU64::new(0));
        let noted = Arc::downgrade(&longest);
        std::thread::spawn(move || {
            let mut before = Instant::now();
            while let Some(longest) = noted.upgrade() {
                std::thread::sleep(TICK);
                let now = Instant::now();
                let stood_ms = now.duration_since(before).saturating_sub(TICK).as_millis();
                longest.fetch_max(u64::try_from(stood_ms).unwrap(), Ordering::Relaxed);
                before = now;
            }
        });
        Self(longest)
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// An endpoint that answers challenges well, and events as it likes.
async fn endpoint<F>(misbehave: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> String
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let misbehave = misbehave.clone();
            tokio::spawn(async move {
                if let Some(stream) = challenged(stream).await {
                    let _ = misbehave(stream).await;
                }
            });
        }
    });
    url
}

/// Answers a challenge; gives the connection back when it brought an event.
async fn challenged(mut stream: TcpStream) -> Option<TcpStream> {
    let mut request = vec![0; MIB];
    // The platform sends head and body at once.
    let n_bytes = stream.read(&mut request).await.ok()?;
    let body = request[..n_bytes].windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let body: Value = serde_json::from_slice(&request[body..n_bytes]).ok()?;
    if body["type"] != "url_verification" {
        return Some(stream);
    }
    let answer = json!({ "challenge": body["challenge"] }).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).await.ok()?;
    None
}

async fn endless(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    loop {
        stream.write_all(&chunk).await?;
    }
}

async fn four_hundred_mib(mut stream: TcpStream) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 400 * MIB);
    stream.write_all(head.as_bytes()).await?;
    let part = Bytes::from(vec![b'x'; MIB]);
    for _ in 0..400 {
        stream.write_all(&part).await?;
    }
    Ok(())
}

async fn a_byte_a_second(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        .await?;
    let mut each_second = interval(Duration::from_secs(1));
    loop {
        each_second.tick().await;
        stream.write_all(b"x").await?;
    }
}

async fn a_byte_of_the_head_a_second(mut stream: TcpStream) -> std::io::Result<()> {
    let mut each_second = interval(Duration::from_secs(1));
    for byte in b"HTTP/1.1 200 OK\r\n".iter().cycle() {
        each_second.tick().await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

/// Answers after five seconds, unless the platform has hung up before.
async fn five_seconds(mut stream: TcpStream) -> std::io::Result<()> {
    if let Ok(hung_up) = timeout(Duration::from_secs(5), stream.read_u8()).await {
        return hung_up.map(drop);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
}

/// Publishes this many events for one app, and answers their ids.
async fn publish(api: &Api, app: &str, name: &str, n_events: usize) -> Vec<String> {
    let ids: Vec<_> = (0..n_events).map(|n| format!("{name}-{n}")).collect();
    for ids in ids.chunks(500) {
        let events: Vec<_> = ids.iter().map(|id| event_for(app, id)).collect();
        let (status, answers) = api.publish_lines(&events).await.unwrap();
        assert_eq!(status, 200);
        assert!(answers.iter().all(|answer| answer["repeated"] == false), "{answers:?}");
    }
    ids
}

/// The first attempt of an event, once it was made.
async fn first_attempt(api: &Api, id: &str) -> Value {
    let mut attempts = Vec::new();
    until("an attempt", async || {
        attempts = api.attempts(id).await;
        !attempts.is_empty()
    })
    .await;
    attempts.swap_remove(0)
}

/// Holds an attempt to the bounds; answers whether it came out as it should, and not as a deadline that was missed
/// because this machine is busy.
fn is_expected(name: &str, attempt: &Value, outcome: Result<u16, &str>, stood: Duration) -> bool {
    let took = Duration::from_millis(attempt["took_ms"].as_u64().unwrap());
    assert!(took < DEADLINE + stood, "{name}: {attempt}, stood {stood:?}");
    assert!(attempt["answer"].as_str().unwrap().len() <= 64 * 1024, "{name}");
    let error = attempt["error"].as_str();
    let expected = match outcome {
        Ok(code) => error.is_none() && attempt["code"] == code,
        Err(why) => error.is_some_and(|error| error.contains(why)),
    };
    let deadline = error.is_some_and(|error| error.starts_with("no answer") || error.starts_with("no connection"));
    assert!(expected || deadline, "{name}: {attempt}");
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_answers_cost_neither_memory_nor_time_nor_other_apps() {
    let dir = tempfile::tempdir().unwrap();
    let standstill = Standstill::watch();
    let platform = Launch::serve(dir.path(), "[delivery]\nallow_private_addresses = true").start();
    let (api, forbidden, good) = (&platform.api, Sink::taking().await, Sink::taking().await);
    let location = forbidden.url.clone();
    let redirect = move |mut stream: TcpStream| {
        // It says that it hangs up: a push that is on its way over a connection that ends without a word is lost.
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nconnection: close\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        );
        async move { stream.write_all(head.as_bytes()).await }
    };
    // The outcome of each: what the app said in time, or an error that says what went wrong.
    let hostile = [
        ("endless", endpoint(endless).await, 30, Ok(200)),
        ("huge", endpoint(four_hundred_mib).await, 30, Ok(200)),
        ("drip", endpoint(a_byte_a_second).await, 30, Ok(200)),
        (
            "head",
            endpoint(a_byte_of_the_head_a_second).await,
            30,
            Err("no answer within 3000 ms"),
        ),
        ("redirect", endpoint(redirect).await, 30, Err("status 307")),
        (
            "late",
            endpoint(five_seconds).await,
            4_000,
            Err("no answer within 3000 ms"),
        ),
    ];
    let good_app = api.create_app("good", &good.url).await;
    for id in publish(api, &good_app, "first", 1).await {
        until("it is served", async || good.took(&id)).await;
    }
    let (before, _) = platform.memory_mib();

    let mut published = Vec::new();
    for (name, url, n_events, outcome) in &hostile {
        let app = api.create_app(name, url).await;
        published.push((name, publish(api, &app, name, *n_events).await, outcome));
    }
    let mut longest = Duration::ZERO;
    for n in 0..50 {
        let began = Instant::now();
        for id in publish(api, &good_app, &format!("good-{n}"), 1).await {
            until("others are served", async || good.took(&id)).await;
        }
        longest = longest.max(began.elapsed());
    }
    let stood = standstill.longest();
    assert!(
        longest < OTHERS_WAIT_MAX + stood,
        "another app waited for {longest:?}, stood {stood:?}"
    );

    for (name, ids, outcome) in published {
        let mut n_expected = 0;
        for id in &ids[..30] {
            let attempt = first_attempt(api, id).await;
            n_expected += usize::from(is_expected(name, &attempt, *outcome, standstill.longest()));
        }
        assert!(n_expected >= 20, "{name}: {n_expected} of 30");
    }
    assert_eq!(forbidden.n_came(), 0, "a redirect was followed");
    let (_, most) = platform.memory_mib();
    assert!(most - before <= MEMORY_MIB_MAX, "{before} MiB became {most} MiB");
}
