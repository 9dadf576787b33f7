//! Connections are kept, as long as they can be used again.

use larkspur_platform::DeliverySettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{app, client, post};

/// What a receiver sees of its connections.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Opened,
    Closed,
}

/// A receiver that answers every request with these bytes, and tells when connections come and go.
async fn receiver(answer: &'static str) -> (String, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tell.send(Seen::Opened).unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                serve(stream, answer).await;
                let _ = tell.send(Seen::Closed);
            });
        }
    });
    (url, seen)
}

/// Requests here are small enough to come in one piece.
async fn serve(mut stream: TcpStream, answer: &str) {
    let mut request = [0; 4_096];
    while stream.read(&mut request).await.is_ok_and(|n_bytes| n_bytes > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_closed_when_it_was_idle_for_seconds() {
    let (url, mut seen) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let (client, app) = (client(&DeliverySettings::default()), app(""));
    for _ in 0..3 {
        assert_eq!(post(&client, &app, &url).await.code, Some(200));
    }
    assert_eq!(seen.recv().await, Some(Seen::Opened));
    assert!(seen.is_empty());
    // From here on seconds pass as soon as nothing else is to be done.
    tokio::time::pause();
    assert_eq!(seen.recv().await, Some(Seen::Closed));
}

#[tokio::test]
async fn a_connection_with_an_answer_that_goes_on_is_closed() {
    let (url, mut seen) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\nabcdefgh").await;
    let settings = DeliverySettings {
        answer_bytes_max: 4,
        ..DeliverySettings::default()
    };
    let (client, app) = (client(&settings), app(""));
    for _ in 0..2 {
        assert_eq!(post(&client, &app, &url).await.answer, "abcd");
    }
    let mut all = Vec::new();
    for _ in 0..4 {
        all.extend(seen.recv().await);
    }
    assert_eq!(all.iter().filter(|one| **one == Seen::Opened).count(), 2, "{all:?}");
}
