//! Nothing that was acknowledged is lost by a crash, and nothing is delivered twice but what was in flight.
//!
//! Producers publish while the platform is killed again and again: in the middle of publishing, in the middle of
//! retries after the clock was moved, and between two rungs of the ladder. The second form loses what was not synced.

mod story;

use axum::http::Method;
use serde_json::Value;

use crate::api::event;
use crate::process::Launch;
use crate::sink::Sink;
use crate::{power, seed};
use story::{Disk, Story};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_received_however_often_the_platform_is_killed() {
    Story::begin(Disk::KeepsAll, seed()).await.told().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_received_when_the_power_fails_and_the_disk_forgets() {
    Story::begin(Disk::KeepsSynced, seed()).await.told().await;
}

/// That the test above could fail: on a disk that says it synced and did not, acknowledged events are lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_about_syncing_loses_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let undo = tempfile::tempdir().unwrap();
    let launch = || Launch::dev(dir.path()).shimmed("LARKSPUR_SHIM_UNDO", undo.path());
    let platform = launch().with("LARKSPUR_SHIM_LIE", "1").start();
    let sink = Sink::taking().await;
    platform.api.create_app("sink", &sink.url).await;
    for n in 0..20 {
        let (status, _) = platform.api.publish(&event(&format!("lost-{n}"))).await.unwrap();
        assert_eq!(status, 200);
    }
    platform.kill();
    assert!(power::fail(undo.path(), &dir.path().join(".larkspur"), || false) > 0);
    let platform = launch().start();
    let mut n_lost = 0;
    for n in 0..20 {
        let path = format!("/api/v1/events/lost-{n}");
        let (status, _) = platform.api.json(Method::GET, &path, &Value::Null).await;
        n_lost += usize::from(status == 404);
    }
    assert!(n_lost > 0);
}
