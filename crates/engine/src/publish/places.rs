//! Room for what is being accepted.

use std::time::Duration;

use larkspur_platform::LEASE;
use larkspur_store::Start;
use larkspur_wire::{AppId, TimestampMs};
use tokio::time::Instant;

use crate::engine::Engine;

/// A request waits this long for room when an app takes what it gets, only not as fast: what is written as due and claimed
/// again costs more, and a producer that waits is one that does not outrun its apps.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// A request that holds so many places waits for no more: what it waits for may be what it holds.
const WAITING_MAX: usize = 1_024;

/// Places in memory for deliveries that are being accepted. Dropped with some left, because the producer went away
/// before anything was stored or because the store failed, it gives them back; what was stored all the same is pushed when
/// its lease has run out.
pub(super) struct Places {
    engine: Engine,
    reserved: Vec<AppId>,
    deadline: Instant,
}

impl Places {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            reserved: Vec::new(),
            deadline: Instant::now() + WAIT_MAX,
        }
    }

    /// How a delivery to the app begins. One that keeps an order is claimed from the store, which knows the order.
    pub(super) async fn start(&mut self, app_id: &AppId, order_key: Option<&String>, now: TimestampMs) -> Start {
        if let Some(key) = order_key {
            return Start::InOrder { key: key.clone() };
        }
        if self.reserved.len() == WAITING_MAX {
            self.deadline = Instant::now();
        }
        if !self.engine.flights().place(app_id, now, self.deadline).await {
            return Start::Due;
        }
        self.reserved.push(app_id.clone());
        Start::Leased
    }

    /// Everything was stored, so that each delivery has its place or gives it back by itself.
    pub(super) fn handed_over(mut self) {
        self.reserved.clear();
    }
}

impl Engine {
    /// Gives back one place.
    pub(crate) fn give_back(&self, app_id: &AppId) {
        let flights = self.flights();
        let now = flights.now(self.clock().now());
        flights.change(|lanes| lanes.give_back(app_id, now));
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let now = self.engine.clock().now();
        for app_id in &self.reserved {
            self.engine.give_back(app_id);
            self.engine.flights().due([(app_id, now.saturating_add(LEASE))], now);
        }
    }
}
