//! Room for what is being accepted.

use larkspur_store::Start;
use larkspur_wire::{AppId, TimestampMs};

use crate::engine::{Engine, LEASE};

/// Places in memory for deliveries that are being accepted. Dropped with some left, because the producer went away or the
/// store failed, it gives them back; what was stored all the same is pushed when its lease has run out.
pub(super) struct Places<'a> {
    engine: &'a Engine,
    reserved: Vec<AppId>,
}

impl<'a> Places<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            reserved: Vec::new(),
        }
    }

    /// How a delivery to the app begins. One that keeps an order is claimed from the store, which knows the order.
    pub(super) fn start(&mut self, app_id: &AppId, order_key: Option<&String>, now: TimestampMs) -> Start {
        if let Some(key) = order_key {
            return Start::InOrder { key: key.clone() };
        }
        let flights = self.engine.flights();
        if !flights.scheduler().reserve(app_id, flights.now(now)) {
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

impl Drop for Places<'_> {
    fn drop(&mut self) {
        let now = self.engine.clock().now();
        for app_id in &self.reserved {
            self.engine.give_back(app_id);
            self.engine.flights().due([(app_id, now.saturating_add(LEASE))], now);
        }
    }
}
