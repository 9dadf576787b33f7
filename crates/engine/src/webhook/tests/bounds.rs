//! What a hostile endpoint can cost: nothing beyond the deadline and the bound, and no address it may not have.

use std::time::Duration;

use larkspur_platform::DeliverySettings;
use larkspur_store::App;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::receiver::{Receiver, raw};
use super::{app, client, impatient, patient, post};

/// Far more than the deadlines that are used up here, less than those that are not: this machine may be busy.
const IN_TIME: Duration = Duration::from_secs(15);

const OK_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_bound_and_cut() {
    let (closed, mut hung_up) = tokio::sync::mpsc::channel(1);
    let address = raw(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            stream.write_all(OK_HEAD).await.unwrap();
            while stream.write_all(&[b'x'; 8 * 1024]).await.is_ok() {}
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let settings = DeliverySettings {
        answer_bytes_max: 1_000,
        ..patient()
    };
    let pushed = post(&client(&settings), &app(""), &format!("http://{address}/")).await;
    assert_eq!(
        (pushed.outcome, pushed.code, pushed.answer.len()),
        (Ok(()), Some(200), 1_000)
    );
    assert!(pushed.took < IN_TIME, "{:?}", pushed.took);
    tokio::time::timeout(IN_TIME, hung_up.recv()).await.unwrap().unwrap();
}

/// Sends a byte twenty times a second until the platform hangs up: so slow is this endpoint, nothing waits for it.
async fn drip(stream: &mut TcpStream, byte: &[u8]) {
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    while stream.write_all(byte).await.is_ok() {
        pace.tick().await;
    }
}

#[tokio::test]
async fn a_body_that_drips_holds_a_push_no_longer_than_its_deadline() {
    let address = raw(|mut stream, _| async move {
        stream.write_all(OK_HEAD).await.unwrap();
        drip(&mut stream, b"x").await;
    })
    .await;
    // Time enough for the status, and then for some of the body.
    let settings = DeliverySettings {
        push_timeout_ms: 2_000,
        ..DeliverySettings::default()
    };
    let pushed = post(&client(&settings), &app(""), &format!("http://{address}/")).await;
    // The status came in time, and the status decides.
    assert_eq!((pushed.outcome, pushed.code), (Ok(()), Some(200)));
    assert!(!pushed.answer.is_empty() && pushed.took < IN_TIME, "{:?}", pushed.took);
}

#[tokio::test]
async fn a_head_that_drips_or_never_comes_fails_the_push_at_its_deadline() {
    for drips in [true, false] {
        let address = raw(move |mut stream, _| async move {
            if !drips {
                std::future::pending::<()>().await;
            }
            drip(&mut stream, b"H").await;
        })
        .await;
        let pushed = post(&client(&impatient()), &app(""), &format!("http://{address}/")).await;
        assert_eq!(pushed.code, None);
        if !drips {
            assert_eq!(pushed.outcome, Err("no answer within 400 ms".to_owned()));
        }
        assert!(pushed.took < IN_TIME, "{:?}", pushed.took);
    }
}

#[tokio::test]
async fn a_head_over_the_bound_fails_the_push() {
    let address = raw(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream
            .write_all(format!("x: {}\r\n", "y".repeat(10_000)).as_bytes())
            .await
            .is_ok()
        {}
    })
    .await;
    let pushed = post(&client(&patient()), &app(""), &format!("http://{address}/")).await;
    assert_eq!(
        pushed.outcome,
        Err("what the endpoint answered is not HTTP/1.1".to_owned())
    );
}

#[tokio::test]
async fn what_is_not_http_fails_the_push() {
    let address = raw(|mut stream, _| async move { drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n").await) }).await;
    let pushed = post(&client(&patient()), &app(""), &format!("http://{address}/")).await;
    assert_eq!(
        pushed.outcome,
        Err("what the endpoint answered is not HTTP/1.1".to_owned())
    );
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_fails_the_push() {
    let address = raw(|stream, _| async move { drop(stream) }).await;
    let pushed = post(&client(&patient()), &app(""), &format!("http://{address}/")).await;
    assert_eq!(
        pushed.outcome,
        Err("the endpoint closed the connection without an answer".to_owned())
    );
}

/// An address at which nothing listens.
async fn nowhere() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn nobody_listening_fails_the_push_at_once() {
    let pushed = post(&client(&patient()), &app(""), &format!("http://{}/", nowhere().await)).await;
    let why = pushed.outcome.unwrap_err();
    assert!(
        why.starts_with("connecting to 127.0.0.1:") && why.contains("refused"),
        "{why}"
    );
}

#[tokio::test]
async fn an_endpoint_that_closes_idle_connections_loses_no_push() {
    let address = raw(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        // Closed while the client keeps it as reusable.
        stream.shutdown().await.unwrap();
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let client = client(&DeliverySettings::default());
    for _ in 0..20 {
        assert_eq!(
            post(&client, &app(""), &format!("http://{address}/")).await.outcome,
            Ok(())
        );
    }
}

fn guarded() -> App {
    App {
        allow_private_addresses: false,
        ..app("")
    }
}

#[tokio::test]
async fn the_guard_refuses_this_machine_however_it_is_spelled() {
    let mut receiver = Receiver::answering(200, "").await;
    let port = receiver.address.port();
    let client = client(&patient());
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let started = Instant::now();
        let pushed = post(&client, &guarded(), &format!("http://{host}:{port}/")).await;
        let why = pushed.outcome.unwrap_err();
        assert!(why.contains("which is"), "{host}: {why}");
        assert!(started.elapsed() < IN_TIME);
    }
    assert!(receiver.arrived.try_recv().is_err());
}

#[tokio::test]
async fn the_guard_lets_apps_through_that_may_reach_private_addresses_and_only_them() {
    let mut receiver = Receiver::answering(200, "").await;
    let client = client(&DeliverySettings::default());
    assert_eq!(post(&client, &app(""), &receiver.url()).await.outcome, Ok(()));
    // The connection of the app before is still open, and must not serve this one.
    assert!(post(&client, &guarded(), &receiver.url()).await.outcome.is_err());
    assert!(receiver.arrived.recv().await.is_some() && receiver.arrived.try_recv().is_err());
}

#[tokio::test]
async fn the_guard_can_be_opened_for_all_apps() {
    let receiver = Receiver::answering(200, "").await;
    let open = DeliverySettings {
        allow_private_addresses: true,
        ..DeliverySettings::default()
    };
    assert_eq!(post(&client(&open), &guarded(), &receiver.url()).await.outcome, Ok(()));
}
