//! Who may open a connection.

use std::time::Duration;

use larkspur_platform::{Assumptions, SessionSettings};
use larkspur_wire::AppId;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};

use super::client::{Client, admitted, query, query_of};
use super::{app, base, ended, hub, hub_with, wait_for, watched_hub};
use crate::activity::Activity;
use crate::hub::{EndpointRefusal, HandshakeRefusal, Hub};

/// A hub that lets each app have one connection.
fn narrow_hub(assumptions: Assumptions) -> Hub {
    watched_narrow_hub(assumptions).0
}

fn watched_narrow_hub(assumptions: Assumptions) -> (Hub, broadcast::Receiver<Activity>) {
    let settings = SessionSettings {
        per_app_max: 1,
        ..SessionSettings::default()
    };
    watched_hub(settings, assumptions)
}

#[tokio::test]
async fn the_url_has_what_every_sdk_looks_for_in_the_order_node_needs() {
    let url = hub().issue_url(&app(), &base()).unwrap();
    assert!(url.starts_with("ws://127.0.0.1:7070/ws/v2?fpid="), "{url}");
    let query = query_of(&url);
    let value = |key: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            .unwrap()
            .to_owned()
    };
    assert!(value("device_id").parse::<i64>().unwrap() >= 0);
    assert!(value("service_id").parse::<i32>().unwrap() > 0);
    assert!(value("ticket").len() >= 32 && value("access_key").len() >= 32);
    let secure = hub()
        .issue_url(&app(), &"https://larkspur.example".parse().unwrap())
        .unwrap();
    assert!(secure.starts_with("wss://larkspur.example/ws/v2?"), "{secure}");
}

#[tokio::test]
async fn a_url_opens_one_connection() {
    let hub = hub();
    let query = query(&hub, &app());
    let _admission = hub.admit(&query).unwrap();
    let refusal = hub.admit(&query).unwrap_err();
    assert_eq!(refusal, HandshakeRefusal::BadTicket);
    // Status 514 with a code other than the limit's makes every SDK ask for a new URL; 403 would end three of them.
    let [(_, status), (_, message), (_, auth_error)] = refusal.headers();
    assert_eq!((status.as_str(), auth_error.as_str()), ("514", "1000040343"));
    assert!(message.contains("ticket"));
    assert_eq!(hub.counts().refused_bad_ticket, 1);
}

#[tokio::test]
async fn a_query_that_was_tampered_with_is_refused() {
    let hub = hub();
    for (key, other) in [
        ("ticket", "0123456789abcdef"),
        ("access_key", "0123456789abcdef"),
        ("device_id", "1"),
    ] {
        let query = query(&hub, &app());
        let tampered: Vec<_> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) if name == key => format!("{key}={other}"),
                _ => pair.to_owned(),
            })
            .collect();
        assert_eq!(
            hub.admit(&tampered.join("&")).unwrap_err(),
            HandshakeRefusal::BadTicket,
            "{key}"
        );
    }
    for garbage in ["", "ticket", "%%%=&&&", "ticket=a&device_id=b&access_key=c"] {
        assert_eq!(
            hub.admit(garbage).unwrap_err(),
            HandshakeRefusal::BadTicket,
            "{garbage}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_lives_as_long_as_the_assumption_says() {
    for ttl_seconds in [60, 5] {
        let hub = hub_with(
            SessionSettings::default(),
            Assumptions {
                ticket_ttl_seconds: ttl_seconds,
                ..Assumptions::default()
            },
        );
        let (early, late) = (query(&hub, &app()), query(&hub, &app()));
        tokio::time::advance(Duration::from_millis(u64::from(ttl_seconds) * 1_000 - 1)).await;
        hub.admit(&early).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(hub.admit(&late).unwrap_err(), HandshakeRefusal::BadTicket);
    }
}

#[tokio::test(start_paused = true)]
async fn the_fifty_first_connection_is_refused_at_the_endpoint_and_at_the_handshake() {
    let hub = hub();
    let early = query(&hub, &app());
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(Client::connect(&hub, &app()).await);
    }
    let refusal = hub.issue_url(&app(), &base()).unwrap_err();
    assert_eq!(refusal, EndpointRefusal::TooManySessions { sessions_max: 50 });
    assert_eq!(refusal.code(), 1_000_040_350);
    let refusal = hub.admit(&early).unwrap_err();
    assert_eq!(refusal, HandshakeRefusal::TooManySessions { sessions_max: 50 });
    let [(_, status), _, (_, auth_error)] = refusal.headers();
    assert_eq!((status.as_str(), auth_error.as_str()), ("514", "1000040350"));
    assert_eq!(hub.counts().refused_over_limit, 2);
    assert_eq!(clients.len(), hub.sessions().len());

    let other = AppId::mint([8; 8]);
    Client::connect(&hub, &other).await;
}

#[tokio::test]
async fn connections_that_died_do_not_count() {
    let hub = narrow_hub(Assumptions::default());
    for _ in 0..3 {
        let client = Client::connect_tcp(&hub, &app()).await;
        hub.issue_url(&app(), &base()).unwrap_err();
        // As when its process is killed: no close frame.
        drop(client);
        wait_for("the session ends", || hub.online(&app()) == 0).await;
        hub.issue_url(&app(), &base()).unwrap();
    }
}

#[tokio::test]
async fn a_handshake_counts_until_it_is_given_up() {
    let hub = narrow_hub(Assumptions::default());
    let spare = query(&hub, &app());
    let admission = admitted(&hub, &app());
    hub.issue_url(&app(), &base()).unwrap_err();
    hub.admit(&spare).unwrap_err();
    drop(admission);
    hub.issue_url(&app(), &base()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_silent_for_the_idle_time_is_dead() {
    let (hub, mut watcher) = watched_narrow_hub(Assumptions {
        idle_timeout_seconds: 90,
        ..Assumptions::default()
    });
    // Never reads, so it answers no probe, and its pipe is never closed: a half-open connection.
    let client = Client::connect(&hub, &app()).await;
    let silent_since = Instant::now();
    ended(&mut watcher).await;
    let silent = silent_since.elapsed().as_secs();
    assert!((89..=129).contains(&silent), "{silent} s");
    assert_eq!(hub.online(&app()), 0);
    hub.issue_url(&app(), &base()).unwrap();
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_answers_probes_is_alive() {
    let (hub, mut watcher) = watched_narrow_hub(Assumptions {
        idle_timeout_seconds: 90,
        ..Assumptions::default()
    });
    let mut client = Client::connect(&hub, &app()).await;
    let reading = tokio::spawn(async move { client.next().await });
    timeout(Duration::from_hours(24), ended(&mut watcher))
        .await
        .unwrap_err();
    assert_eq!(hub.online(&app()), 1);
    assert!(!reading.is_finished());
}

#[tokio::test(start_paused = true)]
async fn without_an_idle_time_silence_is_no_sign_of_death() {
    let (hub, mut watcher) = watched_narrow_hub(Assumptions {
        idle_timeout_seconds: 0,
        ..Assumptions::default()
    });
    let client = Client::connect(&hub, &app()).await;
    timeout(Duration::from_hours(24), ended(&mut watcher))
        .await
        .unwrap_err();
    assert_eq!(hub.online(&app()), 1);
    drop(client);
}
