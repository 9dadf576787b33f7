//! What goes over the wire, seen by a client that reads frames itself.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use larkspur_platform::RetryMessageId;
use larkspur_testkit::{DeliveryState, TestPlatform};
use larkspur_wire::ack::Ack;
use larkspur_wire::endpoint::{ENDPOINT_PATH, EndpointRequest};
use larkspur_wire::frame::{Frame, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const EXAM: &str = "hire.eco_exam.created_v1";

/// A connection of the platform's app, which has this many then.
async fn connect(platform: &TestPlatform, connections: usize) -> WebSocketStream<TcpStream> {
    let app = platform.app().id().parse().unwrap();
    let base = platform.url().parse().unwrap();
    let url = platform.engine().hub().issue_url(&app, &base).unwrap();
    let io = TcpStream::connect(platform.url().strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let (socket, _) = tokio_tungstenite::client_async(url, io).await.unwrap();
    platform.online(connections).await;
    socket
}

/// The next event.
async fn event(socket: &mut WebSocketStream<TcpStream>) -> Frame {
    loop {
        let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() else {
            continue;
        };
        let frame = Frame::read(bytes).unwrap();
        if frame.kind() == Kind::Event {
            return frame;
        }
    }
}

async fn send_ack(socket: &mut WebSocketStream<TcpStream>, frame: Frame, ack: Ack) {
    let answer = frame.into_ack(ack.write().into(), 1);
    socket.send(Message::Binary(answer.write())).await.unwrap();
}

/// The next event, which is answered with the ack.
async fn answer(socket: &mut WebSocketStream<TcpStream>, ack: Ack) -> Frame {
    let frame = event(socket).await;
    send_ack(socket, frame.clone(), ack).await;
    frame
}

#[tokio::test]
async fn a_retry_is_a_new_message_or_keeps_its_message_id() {
    for (id, same) in [(RetryMessageId::New, false), (RetryMessageId::Keep, true)] {
        let platform = TestPlatform::with(|settings| settings.assumptions.retry_message_id = id).await;
        let mut socket = connect(&platform, 1).await;
        let event = platform.trigger(EXAM).await;
        let first = answer(&mut socket, Ack::failed()).await;
        platform.attempts(&event, 1).await;
        platform.advance(Duration::from_secs(15));
        let second = answer(&mut socket, Ack::ok()).await;
        assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(first.message_id() == second.message_id(), same);
        assert_eq!(first.payload, second.payload, "the event id and all the rest stay");
    }
}

#[tokio::test]
async fn an_ack_on_another_session_settles_and_nothing_is_pushed_again() {
    let platform = TestPlatform::start().await;
    let mut first = connect(&platform, 1).await;
    let acked = platform.trigger(EXAM).await;
    let frame = event(&mut first).await;
    let mut second = connect(&platform, 2).await;
    send_ack(&mut second, frame, Ack::ok()).await;
    assert_eq!(platform.settled(&acked).await, [DeliveryState::Delivered]);
    assert_eq!(platform.attempts(&acked, 1).await.len(), 1);
    // No time makes it come again: the next event on either session is the next one published.
    platform.advance(Duration::from_hours(24));
    let next = platform.trigger(EXAM).await;
    let frame = tokio::select! {
        frame = event(&mut first) => frame,
        frame = event(&mut second) => frame,
    };
    let payload = String::from_utf8(frame.payload.clone().unwrap().to_vec()).unwrap();
    assert!(payload.contains(next.as_str()), "{payload}");
    send_ack(&mut first, frame, Ack::ok()).await;
    assert_eq!(platform.settled(&next).await, [DeliveryState::Delivered]);
}

#[tokio::test]
async fn the_endpoint_says_success_in_the_words_that_were_set() {
    for words in ["success", "ok"] {
        let platform =
            TestPlatform::with(|settings| words.clone_into(&mut settings.assumptions.endpoint_success_msg)).await;
        let apps = platform.engine().apps();
        let app = apps.iter().next().unwrap();
        let body = EndpointRequest::write(&app.id, &app.app_secret);
        let host = platform.url().strip_prefix("http://").unwrap();
        let head = format!(
            "POST {ENDPOINT_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut io = TcpStream::connect(host).await.unwrap();
        io.write_all(head.as_bytes()).await.unwrap();
        io.write_all(&body).await.unwrap();
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(&format!(r#""msg":"{words}""#)), "{answer}");
    }
}
