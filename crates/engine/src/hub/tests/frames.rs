//! What clients send besides acks: pings, and things that no client should.

use bytes::Bytes;
use futures_util::SinkExt;
use larkspur_wire::frame::{Frame, Header};
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::{app, hub, noon, wait_for};

#[tokio::test]
async fn a_ping_is_answered_with_the_whole_client_configuration() {
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    client.ping().await;
    let pong = client.next_frame().await;
    assert_eq!(
        (pong.method, pong.service, pong.header("type")),
        (0, 33_554_678, Some("pong"))
    );
    let config = br#"{"ReconnectCount":-1,"ReconnectInterval":120,"ReconnectNonce":30,"PingInterval":120}"#;
    assert_eq!(pong.payload.as_deref(), Some(&config[..]));
    assert_eq!(hub.sessions()[0].last_ping_at, Some(noon()));
}

#[tokio::test]
async fn a_websocket_ping_is_answered() {
    use futures_util::StreamExt;
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    client
        .socket
        .send(Message::Ping(Bytes::from_static(b"python")))
        .await
        .unwrap();
    assert_eq!(
        client.socket.next().await.unwrap().unwrap(),
        Message::Pong(Bytes::from_static(b"python"))
    );
}

fn frame(method: i32, headers: &[(&str, &str)]) -> Bytes {
    let headers = headers.iter().map(|(key, value)| Header {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    Frame {
        method,
        headers: headers.collect(),
        ..Frame::default()
    }
    .write()
}

#[tokio::test]
async fn what_is_no_frame_is_counted_and_the_session_lives() {
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    client.send(Bytes::from_static(b"\xff\xff\xff\xff")).await;
    client.send(Bytes::from_static(b"{\"code\":200}")).await;
    let headers: Vec<_> = (0..100).map(|_| ("type", "event")).collect();
    client.send(frame(1, &headers)).await;
    // Without the numbers that every frame must have.
    client.send(Bytes::new()).await;
    // An ack of nothing.
    client.send(frame(1, &[("type", "event")])).await;
    wait_for("each is counted", || hub.counts().frames_malformed == 5).await;
    client.ping().await;
    client.next_frame().await;
}

#[tokio::test]
async fn texts_and_unknown_frames_are_ignored_and_counted() {
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    client.socket.send(Message::text("hello")).await.unwrap();
    client.send(frame(2, &[])).await;
    client.send(frame(0, &[("type", "pong")])).await;
    wait_for("each is counted", || hub.counts().frames_ignored == 3).await;
    client
        .send(frame(1, &[("type", "event"), ("message_id", "invented")]))
        .await;
    wait_for("the invented ack is counted", || hub.counts().acks_unmatched == 1).await;
    assert_eq!(hub.counts().frames_malformed, 0);
    client.ping().await;
    client.next_frame().await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_session_and_no_other() {
    let hub = hub();
    let mut hostile = Client::connect_tcp(&hub, &app()).await;
    let mut other = Client::connect_tcp(&hub, &app()).await;
    // The send fails when the hub has hung up before all of it was written.
    let _ = hostile
        .socket
        .send(Message::Binary(vec![0; 1024 * 1024 + 1].into()))
        .await;
    wait_for("the session ends", || hub.online(&app()) == 1).await;
    other.ping().await;
    other.next_frame().await;
}
