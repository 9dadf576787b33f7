//! Deliveries on their way: one app's trouble uses up its own slots only, and none is pushed twice at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larkspur_store::DeliveryId;
use larkspur_wire::AppId;
use tokio::sync::Semaphore;

/// Deliveries in memory at once; what does not fit stays a due row on disk.
const FLIGHTS_MAX: usize = 20_000;

/// What is on its way.
#[derive(Debug)]
pub(crate) struct Flights {
    per_app_max: usize,
    slots: Mutex<HashMap<AppId, Arc<Semaphore>>>,
    /// The generation under which each delivery is leased now.
    generations: Mutex<HashMap<DeliveryId, u32>>,
}

impl Flights {
    pub(crate) fn new(per_app_max: usize) -> Self {
        Self {
            per_app_max,
            slots: Mutex::default(),
            generations: Mutex::default(),
        }
    }

    /// Whether the delivery may take off. One that is on its way already may not; its lease has just been renewed by
    /// whoever claimed it again, so its settlement will use the new generation.
    pub(crate) fn enter(&self, delivery: DeliveryId, generation: u32) -> bool {
        let mut generations = self.generations();
        if let Some(known) = generations.get_mut(&delivery) {
            *known = generation.max(*known);
            return false;
        }
        let fits = generations.len() < FLIGHTS_MAX;
        if fits {
            generations.insert(delivery, generation);
        }
        fits
    }

    /// Ends a flight; answers the generation to settle under.
    pub(crate) fn leave(&self, delivery: DeliveryId) -> u32 {
        self.generations().remove(&delivery).unwrap_or_default()
    }

    /// Room for more.
    pub(crate) fn free(&self) -> usize {
        FLIGHTS_MAX.saturating_sub(self.generations().len())
    }

    /// The slots of an app.
    pub(crate) fn slots(&self, app: &AppId) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = slots
            .entry(app.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.per_app_max)));
        Arc::clone(slots)
    }

    fn generations(&self) -> MutexGuard<'_, HashMap<DeliveryId, u32>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_on_its_way_does_not_take_off_again_and_settles_under_its_newest_lease() {
        let flights = Flights::new(1);
        assert!(flights.enter(DeliveryId(1), 1));
        assert!(!flights.enter(DeliveryId(1), 2));
        assert_eq!(flights.leave(DeliveryId(1)), 2);
        assert!(flights.enter(DeliveryId(1), 3));
    }

    #[test]
    fn what_does_not_fit_in_memory_stays_on_disk() {
        let flights = Flights::new(1);
        for id in 0..FLIGHTS_MAX {
            assert!(flights.enter(DeliveryId(id as u128), 1));
        }
        assert!(!flights.enter(DeliveryId(u128::MAX), 1));
        assert_eq!(flights.free(), 0);
    }
}
