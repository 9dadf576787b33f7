//! What is on disk and not delivered: in all, and for the apps that most of it is for.

use std::cmp::Reverse;
use std::time::Duration;

use larkspur_engine::{Measures, Queue};
use larkspur_store::Backlog;
use larkspur_wire::TimestampMs;
use tokio::time::timeout;

use crate::exposition::{Exposition, Kind};
use crate::problem::chain;
use crate::server::Server;

/// A store that takes longer to count is in trouble, which the other metrics tell of.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes what can be learned from the store in time, and what needs none.
pub(super) async fn write(text: &mut Exposition, server: &Server, measures: &Measures) {
    const PENDING: &str = "larkspur_app_deliveries_pending";
    const OVERDUE: &str = "larkspur_app_overdue_seconds";
    text.gauge(
        "larkspur_deliveries_in_memory",
        "Deliveries on their way, or next for their app.",
        measures.in_memory,
    );
    let queue = match timeout(PATIENCE, server.engine.queue()).await {
        Ok(Ok(queue)) => queue,
        Ok(Err(error)) => return tracing::error!(error = %chain(&error), "what waits cannot be counted"),
        Err(_) => return tracing::warn!("what waits was not counted in time"),
    };
    text.gauge(
        "larkspur_deliveries_pending",
        "Deliveries to be pushed, those on their way among them.",
        queue.apps.iter().map(|app| app.pending).sum::<u64>(),
    );
    text.gauge(
        "larkspur_deliveries_dead",
        "Deliveries given up that are kept.",
        queue.dead,
    );
    let apps = by_name(&queue, server.engine.settings().metrics.apps_max, server.now());
    text.family(PENDING, Kind::Gauge, "Deliveries to be pushed, by app.");
    for App { name, pending, .. } in &apps {
        text.sample(PENDING, &[("app_id", name)], pending);
    }
    text.family(
        OVERDUE,
        Kind::Gauge,
        "How long the oldest due delivery has been due, by app.",
    );
    for App { name, overdue, .. } in &apps {
        text.sample(OVERDUE, &[("app_id", name)], overdue.as_secs_f64());
    }
}

/// What waits for one app, or for those that are not shown by name.
struct App {
    name: String,
    pending: u64,
    overdue: Duration,
}

/// Those with the most pending deliveries by name, and the others together.
fn by_name(queue: &Queue, apps_max: usize, now: TimestampMs) -> Vec<App> {
    let overdue = |backlog: &Backlog| {
        let overdue_ms = now.0.saturating_sub(backlog.next_due.unwrap_or(now).0);
        Duration::from_millis(u64::try_from(overdue_ms).unwrap_or_default())
    };
    let mut most: Vec<_> = queue.apps.iter().collect();
    most.sort_by_key(|backlog| Reverse(backlog.pending));
    let (shown, others) = most.split_at(apps_max.min(most.len()));
    let mut apps: Vec<_> = shown
        .iter()
        .map(|backlog| App {
            name: backlog.app_id.to_string(),
            pending: backlog.pending,
            overdue: overdue(backlog),
        })
        .collect();
    if !others.is_empty() {
        apps.push(App {
            name: "other".to_owned(),
            pending: others.iter().map(|backlog| backlog.pending).sum(),
            overdue: others.iter().map(|backlog| overdue(backlog)).max().unwrap_or_default(),
        });
    }
    apps
}

#[cfg(test)]
mod tests {
    use larkspur_wire::AppId;

    use super::*;

    #[test]
    fn the_fullest_apps_are_named_and_the_others_are_one() {
        let backlog = |n: u8, pending, next_due: Option<i64>| Backlog {
            app_id: AppId::mint([n; 8]),
            pending,
            next_due: next_due.map(TimestampMs),
        };
        let queue = Queue {
            dead: 0,
            apps: vec![
                backlog(1, 1, Some(4_000)),
                backlog(2, 7, Some(20_000)),
                backlog(3, 2, Some(9_000)),
                backlog(4, 5, None),
            ],
        };
        let apps = by_name(&queue, 2, TimestampMs(10_000));
        let seen: Vec<_> = apps
            .iter()
            .map(|app| (app.name.as_str(), app.pending, app.overdue.as_secs()))
            .collect();
        let (two, four) = (AppId::mint([2; 8]), AppId::mint([4; 8]));
        assert_eq!(seen, [(two.as_str(), 7, 0), (four.as_str(), 5, 0), ("other", 3, 6)]);
        assert_eq!(
            by_name(&queue, 4, TimestampMs(0)).len(),
            4,
            "nothing is left for the others"
        );
    }
}
