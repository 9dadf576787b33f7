//! The hub against a client that plays an official SDK, over pipes in memory (time paused) and real sockets.

mod admission;
mod calls;
mod client;
mod events;
mod frames;
mod life;

use std::time::Duration;

use bytes::Bytes;
use larkspur_platform::{Assumptions, SessionSettings};
use larkspur_wire::{AppId, EventId, TimestampMs};
use tokio::sync::broadcast;
use url::Url;

use super::{Hub, SessionPush};
use crate::activity::Activity;
use crate::clock::MovableClock;

const ACK_TIMEOUT: Duration = Duration::from_secs(3);

fn noon() -> TimestampMs {
    TimestampMs(1_700_000_000_000)
}

fn hub() -> Hub {
    hub_with(SessionSettings::default(), Assumptions::default())
}

fn hub_with(settings: SessionSettings, assumptions: Assumptions) -> Hub {
    watched_hub(settings, assumptions).0
}

fn watched_hub(settings: SessionSettings, assumptions: Assumptions) -> (Hub, broadcast::Receiver<Activity>) {
    let (activity, watcher) = broadcast::channel(1_000);
    (
        Hub::new(
            settings,
            assumptions,
            MovableClock::new(noon),
            activity,
            tokio::sync::mpsc::channel(1).0,
        ),
        watcher,
    )
}

fn app() -> AppId {
    AppId::mint([7; 8])
}

fn base() -> Url {
    Url::parse("http://127.0.0.1:7070").unwrap()
}

fn event(payload: impl Into<Bytes>) -> SessionPush {
    SessionPush {
        event_id: EventId::mint([7; 16]),
        message_id: None,
        payload: payload.into(),
        timeout: ACK_TIMEOUT,
        previous: None,
    }
}

/// Waits until a session ends, on the paused clock for however long.
async fn ended(watcher: &mut broadcast::Receiver<Activity>) {
    while !matches!(watcher.recv().await.unwrap(), Activity::SessionClosed { .. }) {}
}

/// Waits for a condition, for at most 5 s.
async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    let looking = async {
        while !holds() {
            looks.tick().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(5), looking).await;
    assert!(found.is_ok(), "{what}");
}
