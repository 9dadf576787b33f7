//! The persistent connection against a platform that is played by hand, on real sockets.
#![cfg(feature = "ws")]
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

#[path = "connection/peer.rs"]
mod peer;

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use larkspur::{ConnectionState, Meta, Proxy, Router};
use larkspur_wire::frame::Kind;
use peer::{PATIENCE, Peer, Way, proxy};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

/// A handler that tells when it has begun, and ends when it may.
fn gated() -> (Router, Arc<Notify>, Arc<Semaphore>) {
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (tell, pass) = (Arc::clone(&begun), Arc::clone(&gate));
    let router = Router::new().fallback(move |_: Meta| {
        let (tell, pass) = (Arc::clone(&tell), Arc::clone(&pass));
        async move {
            tell.notify_one();
            pass.acquire().await.unwrap().forget();
        }
    });
    (router, begun, gate)
}

/// Waits for a state that is so.
async fn until(
    states: &mut (impl Stream<Item = ConnectionState> + Unpin),
    so: impl Fn(&ConnectionState) -> bool,
) -> ConnectionState {
    let find = async {
        loop {
            let state = states.next().await.expect("the client is there");
            if so(&state) {
                return state;
            }
        }
    };
    timeout(PATIENCE, find).await.expect("the state in time")
}

#[tokio::test]
async fn heartbeats_go_on_while_handlers_block_every_worker() {
    let peer = Peer::start(0).await;
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let router = Router::new().fallback(move |_: Meta| {
        let blocked = Arc::clone(&blocked);
        async move { blocked.lock().unwrap().recv().unwrap_or_default() }
    });
    let _client = workers.spawn(peer.app().connect(router).into_future());
    let began = Instant::now();
    let mut session = peer.accept().await;
    for event in ["e1", "e2", "e3"] {
        session.push(event).await;
    }
    for _ in 0..4 {
        session.next(Kind::Ping).await.expect("the connection stands");
    }
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "these are one at once and then one each second"
    );
    drop(release);
    assert_eq!(session.ack().await.1, 200);
    workers.shutdown_background();
}

#[tokio::test]
async fn an_ack_goes_out_on_the_connection_that_stands() {
    let peer = Peer::start(0).await;
    let (router, begun, gate) = gated();
    let _client = tokio::spawn(peer.app().connect(router).into_future());
    let mut first = peer.accept().await;
    first.push("e1").await;
    begun.notified().await;
    drop(first);
    let mut second = peer.accept().await;
    gate.add_permits(1);
    assert_eq!(second.ack().await, ("e1".to_owned(), 200));
}

#[tokio::test]
async fn a_shutdown_lets_handlers_end_refuses_others_and_names_what_was_left() {
    let peer = Peer::start(0).await;
    let (router, begun, gate) = gated();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = peer.app().connect(router).drain_limit(Duration::from_secs(5));
    let status = client.status();
    let client = client.with_graceful_shutdown(async move { drop(stopped.await) });
    let client = tokio::spawn(client.into_future());
    let mut session = peer.accept().await;
    for event in ["ends", "stays"] {
        session.push(event).await;
        begun.notified().await;
    }
    stop.send(()).unwrap();
    until(&mut status.states(), |state| *state == ConnectionState::Draining).await;
    assert!(!status.is_ready());
    session.push("late").await;
    assert_eq!(session.ack().await, ("late".to_owned(), 500));
    gate.add_permits(1);
    assert_eq!(session.ack().await, ("ends".to_owned(), 200));
    assert!(session.next(Kind::Event).await.is_none(), "the connection is closed");
    let report = client.await.unwrap().unwrap();
    assert_eq!((report.received, report.handled, report.refused), (2, 1, 1));
    assert_eq!((report.left, report.unacknowledged), (vec!["stays".to_owned()], vec![]));
}

#[tokio::test]
async fn what_nobody_could_be_told_of_is_named() {
    let peer = Peer::start(0).await;
    let (router, begun, gate) = gated();
    let (stop, stopped) = oneshot::channel::<()>();
    let app = peer.app().reconnect_waits(PATIENCE..=PATIENCE);
    let client = app
        .connect(router)
        .with_graceful_shutdown(async move { drop(stopped.await) });
    let mut states = client.status().states();
    let client = tokio::spawn(client.into_future());
    let mut session = peer.accept().await;
    session.push("e1").await;
    begun.notified().await;
    drop(session);
    until(&mut states, |state| matches!(state, ConnectionState::Backoff { .. })).await;
    stop.send(()).unwrap();
    gate.add_permits(1);
    let report = client.await.unwrap().unwrap();
    assert_eq!((report.handled, report.unacknowledged), (1, vec!["e1".to_owned()]));
}

#[tokio::test]
async fn states_tell_what_a_client_does() {
    let peer = Peer::start(0).await;
    let client = peer.app().connect(Router::new());
    let status = client.status();
    let mut seen = status.states();
    assert_eq!(seen.next().await, Some(ConnectionState::Idle));
    let client = tokio::spawn(client.into_future());
    let first = peer.accept().await;
    let online =
        |state: &ConnectionState| matches!(state, ConnectionState::Online { connection } if &**connection == "77");
    until(&mut seen, online).await;
    assert!(status.is_ready() && status.silent_for().is_none_or(|silent| silent < PATIENCE));
    drop(first);
    until(&mut seen, |state| {
        matches!(state, ConnectionState::Backoff { attempt: 1, .. })
    })
    .await;
    let _second = peer.accept().await;
    until(&mut seen, online).await;
    client.abort();
}

#[tokio::test]
async fn a_platform_that_falls_silent_is_left() {
    let peer = Peer::start(0).await;
    let client = tokio::spawn(peer.app().connect(Router::new()).into_future());
    let began = Instant::now();
    let _silent = peer.accept().await;
    let _second = peer.accept().await;
    assert!(began.elapsed() >= Duration::from_secs(3), "two pings and a margin");
    client.abort();
}

#[tokio::test]
async fn a_look_up_that_hangs_is_given_up_and_made_again() {
    let peer = Peer::start(2).await;
    let app = peer.app().io_timeout(Duration::from_secs(2));
    let client = tokio::spawn(app.connect(Router::new()).into_future());
    let mut session = peer.accept().await;
    assert!(session.next(Kind::Ping).await.is_some());
    assert_eq!(peer.look_ups(), 3);
    client.abort();
}

#[tokio::test]
async fn a_client_that_is_dropped_closes_its_connection() {
    let peer = Peer::start(0).await;
    let client = peer.app().connect(Router::new());
    let status = client.status();
    let client = tokio::spawn(client.into_future());
    let mut session = peer.accept().await;
    client.abort();
    assert!(session.next(Kind::Event).await.is_none());
    let ended = timeout(PATIENCE, status.states().for_each(async |_| {})).await;
    assert!(ended.is_ok() && status.state() == ConnectionState::Idle);
}

#[tokio::test]
async fn proxies_lead_to_the_look_up_and_to_the_connection() {
    let peer = Peer::start(0).await;
    for (way, scheme) in [(Way::Connect, "http"), (Way::Socks5, "socks5")] {
        let (address, tunnels) = proxy(way).await;
        let proxy = Proxy::parse(&format!("{scheme}://u:p@{address}")).unwrap();
        let client = tokio::spawn(peer.app().proxy(proxy).connect(Router::new()).into_future());
        let mut session = peer.accept().await;
        assert!(session.next(Kind::Ping).await.is_some(), "{way:?}");
        assert_eq!(tunnels.load(Ordering::SeqCst), 2, "{way:?}");
        client.abort();
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_trouble_that_says_what_to_check() {
    let peer = Peer::start(0).await;
    let (address, _) = proxy(Way::Connect).await;
    let proxy = Proxy::parse(&format!("http://u:wrong@{address}")).unwrap();
    let client = peer.app().proxy(proxy).connect(Router::new());
    let mut states = client.status().states();
    let client = tokio::spawn(client.into_future());
    let state = until(&mut states, |state| matches!(state, ConnectionState::Backoff { .. })).await;
    let ConnectionState::Backoff { trouble, .. } = state else {
        unreachable!()
    };
    assert!(trouble.reason.contains("proxy authorization required"), "{trouble}");
    assert!(
        trouble.fix.contains("password") && !trouble.reason.contains("wrong"),
        "{trouble}"
    );
    client.abort();
}
