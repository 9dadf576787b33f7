//! The listener itself: how it stops, and what it does not let clients do to it.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::platform::{ADMIN_TOKEN, Platform, wait_for};

const EXAM: &str = "hire.eco_exam.created_v1";

const PATIENCE: Duration = Duration::from_secs(20);

const CONTINUE: &[u8; 25] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Opens a connection and begins a publish of `length` bytes, or of unknown length.
async fn begin_publish(platform: &Platform, length: Option<usize>) -> TcpStream {
    let mut stream = TcpStream::connect(platform.addr).await.unwrap();
    let framing = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n{framing}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        platform.addr
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server says so when it begins to read the body.
    let mut go_on = [0; CONTINUE.len()];
    timeout(PATIENCE, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(go_on, *CONTINUE);
    stream
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_server_that_stops_lets_the_request_under_way_end_and_keeps_no_idle_connection() {
    let mut platform = Platform::start().await;
    let mut idle = TcpStream::connect(platform.addr).await.unwrap();
    let mut busy = begin_publish(&platform, Some(4)).await;
    platform.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    busy.write_all(b"nope").await.unwrap();
    let answer = read_to_end(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("not_json"),
        "{answer}"
    );
    let serving = platform.serving.take().unwrap();
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert!(
        TcpStream::connect(platform.addr).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn a_body_of_unannounced_length_is_bounded_too() {
    let platform = Platform::start().await;
    let mut stream = begin_publish(&platform, None).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..8 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_no_http_ends_its_own_connection_only() {
    let platform = Platform::start().await;
    let mut stream = TcpStream::connect(platform.addr).await.unwrap();
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 400 "));
    platform.get("/api/v1/settings").await.expect(200);
}

#[tokio::test]
async fn more_than_there_is_room_for_is_told_to_come_back() {
    const BODY_BYTES: usize = 64 * 1024;
    let small = |settings: &mut larkspur_platform::Settings, _: &mut larkspur_server::ServerConfig| {
        settings.publish.body_bytes_max = BODY_BYTES;
        settings.publish.event_bytes_max = BODY_BYTES;
    };
    let platform = Platform::with(small, None).await;
    let part = "x".repeat(BODY_BYTES - 4_096);
    let mut reading = Vec::new();
    for _ in 0..4 {
        let mut stream = begin_publish(&platform, Some(BODY_BYTES)).await;
        stream.write_all(part.as_bytes()).await.unwrap();
        reading.push(stream);
    }
    let large = json!({"event_type": EXAM, "event": {"exam_id": "x".repeat(BODY_BYTES / 2)}});
    // Those may not have been read yet.
    let refused = wait_for("a refusal", async || {
        let answer = platform.publish(&large).await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.expect(429)["code"], "busy");
    // Small ones still fit, and with the others gone so do large ones.
    let small = json!({"event_type": EXAM, "event": {"exam_id": "7"}});
    assert_ne!(platform.publish(&small).await.status, 429);
    drop(reading);
    wait_for("room", async || {
        (platform.publish(&large).await.status != 429).then_some(())
    })
    .await;
}
