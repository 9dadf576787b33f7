//! How sessions begin and end.

use std::time::Duration;

use larkspur_platform::{Assumptions, SessionSettings};
use larkspur_wire::AppId;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, admitted, query};
use super::{app, base, ended, event, hub, hub_with, wait_for, watched_hub};
use crate::activity::Activity;
use crate::hub::{EndpointRefusal, HandshakeRefusal};

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn closing_all_sends_the_close_code_and_then_ends_tcp() {
    for close_code in [1001, 4003] {
        let hub = hub_with(
            SessionSettings::default(),
            Assumptions {
                close_code,
                ..Assumptions::default()
            },
        );
        let mut client = Client::connect_tcp(&hub, &app()).await;
        hub.close_all(GRACE).await;
        assert!(hub.sessions().is_empty());
        let Some(Message::Close(Some(frame))) = client.next().await else {
            panic!("no close frame")
        };
        assert_eq!(u16::from(frame.code), close_code);
        // Java never answers a close frame, so the end of TCP must not wait for an answer.
        assert_eq!(client.socket.get_mut().read(&mut [0; 16]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn after_closing_all_nobody_comes_in_and_is_told_to_come_back() {
    let hub = hub();
    let early = query(&hub, &app());
    hub.close_all(GRACE).await;
    let refusal = hub.issue_url(&app(), &base()).unwrap_err();
    assert_eq!(
        (refusal, refusal.code()),
        (EndpointRefusal::ShuttingDown, 1_000_040_343)
    );
    assert_eq!(hub.admit(&early).unwrap_err(), HandshakeRefusal::ShuttingDown);
}

#[tokio::test]
async fn closing_an_app_ends_its_sessions_and_takes_its_tickets_back() {
    let hub = hub();
    let other = AppId::mint([8; 8]);
    let mut gone = Client::connect(&hub, &app()).await;
    let _stays = Client::connect(&hub, &other).await;
    let (ticket, opening) = (query(&hub, &app()), admitted(&hub, &app()));
    hub.disconnect(&app());
    assert!(matches!(gone.next().await, Some(Message::Close(_))));
    assert_eq!(hub.admit(&ticket).unwrap_err(), HandshakeRefusal::BadTicket);
    // A session that was just being opened ends as soon as it begins.
    let (_ours, theirs) = tokio::io::duplex(64);
    timeout(GRACE, hub.run(opening, theirs, None)).await.unwrap();
    assert_eq!((hub.online(&app()), hub.online(&other)), (0, 1));
}

#[tokio::test]
async fn a_client_that_closes_gets_its_code_back() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    let frame = CloseFrame {
        code: 1000.into(),
        reason: "client closed".into(),
    };
    client.socket.send(Message::Close(Some(frame.clone()))).await.unwrap();
    assert_eq!(
        client.socket.next().await.unwrap().unwrap(),
        Message::Close(Some(frame))
    );
    wait_for("the session ends", || hub.online(&app()) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_dropped_in_the_end() {
    let (hub, mut watcher) = watched_hub(SessionSettings::default(), Assumptions::default());
    let _client = Client::connect_with(&hub, &app(), 64).await;
    hub.push(&app(), event(vec![b' '; 10_000])).await.outcome.unwrap_err();
    assert_eq!(hub.online(&app()), 1);
    timeout(Duration::from_secs(10), ended(&mut watcher)).await.unwrap();
    assert_eq!(hub.online(&app()), 0);
}

#[tokio::test]
async fn whoever_watches_sees_sessions_come_and_go() {
    let (hub, mut watcher) = watched_hub(SessionSettings::default(), Assumptions::default());
    let first = Client::connect(&hub, &app()).await;
    let second = Client::connect(&hub, &app()).await;
    for (session, live) in [(first.id, 1), (second.id, 2)] {
        let Activity::SessionOpened {
            app_id,
            session_id,
            online,
        } = watcher.recv().await.unwrap()
        else {
            panic!()
        };
        assert_eq!((app_id, session_id, online), (app(), session, live));
    }
    drop(first);
    let Activity::SessionClosed { online, reason, .. } = watcher.recv().await.unwrap() else {
        panic!()
    };
    assert_eq!(online, 1);
    assert!(reason.contains("lost"), "{reason}");
    let counts = hub.counts();
    assert_eq!((counts.sessions_opened, counts.sessions_closed), (2, 1));
}
