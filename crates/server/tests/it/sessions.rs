//! Persistent connections over the real upgrade: an event arrives, its ack settles it.

use futures_util::{SinkExt, StreamExt};
use larkspur_wire::ack::Ack;
use larkspur_wire::frame::{Frame, Kind};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::Call;
use crate::metrics::scrape;
use crate::platform::{Platform, TENANT, wait_for};

const EXAM: &str = "hire.eco_exam.created_v1";

/// A custom app that receives exams over a persistent connection.
pub(crate) fn connected_app() -> Value {
    let events = json!({"mode": "websocket", "types": [EXAM]});
    json!({"name": "ws", "kind": "custom", "tenants": [TENANT], "scopes": ["hire:exam"], "events": events})
}

/// The body of the endpoint call.
pub(crate) fn endpoint_call(app: &Value) -> Value {
    json!({"AppID": app["app_id"], "AppSecret": app["app_secret"]})
}

/// Publishes an exam, acks it over the connection, and sees it delivered.
pub(crate) async fn receives_an_event<S>(platform: &Platform, app: &Value, socket: &mut WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    wait_for("the session", async || {
        (platform.engine.hub().sessions().len() == 1).then_some(())
    })
    .await;
    let event = json!({"event_type": EXAM, "event": {"exam_id": "19"}, "app_id": app["app_id"], "event_id": "e1"});
    let deliver = async {
        let frame = loop {
            let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            let frame = Frame::read(bytes).unwrap();
            if frame.kind() == Kind::Event {
                break frame;
            }
        };
        let envelope: Value = serde_json::from_slice(frame.payload.as_ref().unwrap()).unwrap();
        let ack = frame.into_ack(Ack::ok().write().into(), 1);
        socket.send(Message::Binary(ack.write())).await.unwrap();
        envelope
    };
    let publication = serde_json::to_vec(&event).unwrap();
    let settings = platform.engine.settings();
    let publication = larkspur_platform::Publication::parse(
        &publication,
        platform.engine.catalog(),
        &settings.publish,
        settings.assumptions.unverified_types,
    );
    let published = platform
        .engine
        .publish(vec![publication.unwrap()], false)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(published.deliveries[0].online, 1);
    let envelope = deliver.await;
    assert_eq!(
        (&envelope["header"]["event_id"], &envelope["event"]),
        (&json!("e1"), &json!({"exam_id": "19"}))
    );
    wait_for("the delivery to be settled", async || {
        (platform.engine.counters().attempts_delivered == 1).then_some(())
    })
    .await;
}

async fn url(platform: &Platform, app: &Value) -> String {
    let call = Call::new(platform.addr, "POST", "/callback/ws/endpoint").body(endpoint_call(app).to_string());
    let answer = call.send().await.expect(200);
    answer["data"]["URL"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

async fn connect(url: &str, platform: &Platform) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(platform.addr).await.unwrap();
    client_async(url, stream).await.map(|(socket, _)| socket)
}

#[tokio::test]
async fn an_event_arrives_over_the_upgraded_connection_and_its_ack_settles_it() {
    let platform = Platform::start().await;
    let app = platform.app(&connected_app()).await;
    let mut socket = connect(&url(&platform, &app).await, &platform).await.unwrap();
    receives_an_event(&platform, &app, &mut socket).await;
    let sessions = platform.get("/api/v1/sessions").await.expect(200);
    let session = &sessions["items"][0];
    assert_eq!(
        (&session["app_id"], &session["pushed"], &session["acked"]),
        (&app["app_id"], &json!(1), &json!(1))
    );
    let shown = platform
        .get(&format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(shown["online"], 1);
    platform.engine.shutdown().await;
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
}

#[tokio::test]
async fn open_sessions_and_the_nonsense_that_clients_send_are_counted() {
    let platform = Platform::start().await;
    let app = platform.app(&connected_app()).await;
    let url = url(&platform, &app).await;
    let mut socket = connect(&url, &platform).await.unwrap();
    connect(&url, &platform).await.unwrap_err();
    for message in [Message::Binary(vec![0xff; 7].into()), Message::text("hello")] {
        socket.send(message).await.unwrap();
    }
    wait_for("the nonsense to be counted", async || {
        let samples = scrape(&platform).await;
        let counted = [
            "larkspur_sessions_open",
            "larkspur_frames_malformed_total",
            "larkspur_frames_ignored_total",
            "larkspur_sessions_refused_total{reason=\"bad_ticket\"}",
        ];
        counted.iter().all(|sample| samples[*sample] > 0.0).then_some(())
    })
    .await;
    let mut garbage = TcpStream::connect(platform.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut garbage, b"\x16\x03\x01\r\n\r\n")
        .await
        .unwrap();
    wait_for("what is no HTTP to be counted", async || {
        (scrape(&platform).await["larkspur_requests_malformed_total"] > 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ticket_opens_one_connection_and_no_second() {
    let platform = Platform::start().await;
    let app = platform.app(&connected_app()).await;
    let url = url(&platform, &app).await;
    let _first = connect(&url, &platform).await.unwrap();
    let Err(Error::Http(refused)) = connect(&url, &platform).await else {
        panic!("the ticket opened a second")
    };
    assert_eq!(refused.headers()["handshake-status"], "514");
    assert!(refused.headers().contains_key("handshake-msg"));
}

#[tokio::test]
async fn one_connection_too_many_is_refused_at_the_endpoint_and_at_the_handshake() {
    let platform = Platform::with(|settings, _| settings.sessions.per_app_max = 1, None).await;
    let app = platform.app(&connected_app()).await;
    let (first, second) = (url(&platform, &app).await, url(&platform, &app).await);
    let _first = connect(&first, &platform).await.unwrap();
    let Err(Error::Http(refused)) = connect(&second, &platform).await else {
        panic!("one too many was let in")
    };
    assert_eq!(refused.headers()["handshake-autherrcode"], "1000040350");
    let call = Call::new(platform.addr, "POST", "/callback/ws/endpoint").body(endpoint_call(&app).to_string());
    let refused = call.send().await.expect(200);
    assert_eq!(
        (&refused["code"], &refused["data"]),
        (&json!(1_000_040_350), &json!({}))
    );
}

#[tokio::test]
async fn a_request_that_is_no_handshake_keeps_the_ticket_good() {
    let platform = Platform::start().await;
    let app = platform.app(&connected_app()).await;
    let url = url(&platform, &app).await;
    let (_, target) = url.split_once(&platform.addr.to_string()).unwrap();
    let refused = Call::new(platform.addr, "GET", target).send().await;
    assert_eq!(refused.headers["sec-websocket-version"], "13");
    assert_eq!(refused.expect(426)["code"], "not_a_handshake");
    connect(&url, &platform).await.unwrap();
}
