//! What a test waits for and asserts. Nothing here sleeps for a time that was guessed: it looks until it is so, or
//! panics when it has looked for longer than anything on this machine needs.

use std::future::Future;
use std::time::Duration;

use larkspur_store::{Attempt, Delivery, DeliveryQuery, DeliveryState};
use larkspur_wire::{AppId, EventId};
use tokio::time::sleep;

use super::TestPlatform;

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Half a minute and more: nothing takes longer, however busy this machine is. Looks are counted and not time, so that
/// a process that is stopped for a while does not find its deadline over.
const LOOKS_MAX: usize = 6_000;

impl TestPlatform {
    /// Waits until the app has this many live connections.
    pub async fn online(&self, connections: usize) {
        self.app_online(&self.app_id, connections).await;
    }

    /// Waits until an app has this many live connections.
    pub async fn app_online(&self, app: &AppId, connections: usize) {
        self.until(async || self.engine.hub().online(app) == connections).await;
    }

    /// How often handlers were called for an event. Only routers that were watched count: those of
    /// [`TestPlatform::client`], [`TestPlatform::serve`] and [`TestPlatform::watch`].
    pub fn handled(&self, event: &EventId) -> usize {
        self.watch.calls(event.as_str())
    }

    /// App and id of every event for which handlers were called more than once.
    pub fn handled_again(&self) -> Vec<(String, String)> {
        self.watch.repeated()
    }

    /// Waits until this many attempts have been made, and answers them.
    pub async fn attempts(&self, event: &EventId, at_least: usize) -> Vec<Attempt> {
        let all = async || {
            let mut all = Vec::new();
            for delivery in self.deliveries(event).await {
                let attempts = self.engine.store().attempts(delivery.id).await;
                all.extend(attempts.expect("the store works"));
            }
            all
        };
        self.until(async || all().await.len() >= at_least).await;
        all().await
    }

    /// Waits until no delivery of the event is pending, and answers how each ended.
    pub async fn settled(&self, event: &EventId) -> Vec<DeliveryState> {
        let states = async || {
            let deliveries = self.deliveries(event).await.into_iter();
            deliveries.map(|row| row.state).collect::<Vec<_>>()
        };
        self.until(async || !states().await.contains(&DeliveryState::Pending))
            .await;
        states().await
    }

    /// Moves the clock until nothing waits any more: every delivery has succeeded, or was given up.
    ///
    /// A push that missed its deadline, because of a fault or because this machine is busy, is made again like that.
    pub async fn drained(&self) {
        let backlog = async || self.engine.store().backlog().await.expect("the store works");
        loop {
            let all_wait = async || {
                let now = self.engine.clock().now();
                let is_later = |due| due > now;
                // A push that is under way has its lease's end for its due time.
                let backlog = backlog().await;
                backlog.iter().all(|app| app.next_due.is_none_or(is_later)) && self.engine.measures().in_memory == 0
            };
            self.until(all_wait).await;
            let backlog = backlog().await;
            if backlog.is_empty() {
                return;
            }
            if let Some(due) = backlog.iter().filter_map(|app| app.next_due).min() {
                self.advance(due.since(self.engine.clock().now()));
            }
        }
    }

    async fn deliveries(&self, event: &EventId) -> Vec<Delivery> {
        let query = DeliveryQuery {
            event_id: Some(event.clone()),
            limit: 1_000,
            ..DeliveryQuery::default()
        };
        let page = self.engine.store().deliveries(&query).await;
        page.expect("the store works").rows
    }

    /// Waits until something is so; panics when it does not come to be.
    pub async fn until<F: Future<Output = bool>>(&self, so: impl Fn() -> F) {
        for _ in 0..LOOKS_MAX {
            if so().await {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        panic!("it did not come to be, although this looked {LOOKS_MAX} times");
    }
}
