//! P5: one pool of connections for an app.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larkspur::{ConnectError, Meta, Router, State};
use larkspur_testkit::{Client, DeliveryState};

use crate::{EXAM, patient};

const CLIENTS: usize = 4;
const EVENTS: usize = 200;

async fn count(_: Meta, State(count): State<Arc<AtomicUsize>>) {
    count.fetch_add(1, Ordering::AcqRel);
}

/// P5, dsh-im#154: with several clients, each event goes to one of them, at random.
#[tokio::test]
async fn random_delivery() {
    let lab = patient().await;
    let counts: Vec<Arc<AtomicUsize>> = std::iter::repeat_with(Arc::default).take(CLIENTS).collect();
    let mut bots = Vec::new();
    for count_of_client in &counts {
        let router = Router::new().fallback(count).with_state(Arc::clone(count_of_client));
        bots.push(lab.client(router).await);
    }
    for _ in 0..EVENTS {
        let event = lab.trigger(EXAM).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    }
    let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Acquire)).collect();
    assert_eq!(counts.iter().sum::<usize>(), EVENTS, "{counts:?}");
    // With fair dice, one client in four gets fewer than 20 of 200 once in 10⁷ runs.
    assert!(
        counts.iter().all(|count| *count >= EVENTS / CLIENTS * 2 / 5),
        "{counts:?}"
    );
}

/// P5, n8n#21: the 51st connection is told that there are too many, with the platform's code.
#[tokio::test]
async fn conn_51() {
    let lab = patient().await;
    let mut bots = Vec::new();
    for _ in 0..50 {
        bots.push(lab.client(Router::new()).await);
    }
    let error = Client::start(lab.app().connect(Router::new()))
        .ended()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Refused {
                code: 1_000_040_350,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("end other clients"), "{error}");
    lab.online(50).await;
}
