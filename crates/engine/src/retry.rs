//! What is due on disk: retries, what did not fit in memory, and what a crash left behind, claimed app by app.

use std::time::Duration;

use larkspur_platform::LEASE;
use larkspur_store::{Claimed, StoreError, Want};
use larkspur_wire::AppId;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::engine::Engine;
use crate::leased::Leased;

/// A store that failed is asked again after this long.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Pushes what is due until the engine stops.
pub(crate) async fn run(engine: Engine) {
    let stop = engine.stopping().clone();
    loop {
        let round = async {
            match engine.claim_due().await {
                Ok(true) => {}
                Ok(false) => wait(&engine).await,
                Err(error) => {
                    tracing::error!(error = %error, "due deliveries could not be claimed");
                    sleep(STORE_PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = round => {}
        }
    }
}

/// Tries an app at full speed again when it has connected.
pub(crate) async fn watch(engine: Engine, mut connected: mpsc::Receiver<AppId>) {
    let stop = engine.stopping().clone();
    loop {
        let app_id = tokio::select! {
            () = stop.cancelled() => return,
            app_id = connected.recv() => app_id,
        };
        let Some(app_id) = app_id else { return };
        let now = engine.flights().now(engine.clock().now());
        engine.flights().change(|lanes| lanes.recovered(&app_id, now));
    }
}

impl Engine {
    /// Learns from the store what is pending, as after a start.
    pub(crate) async fn learn_backlog(&self) -> Result<(), StoreError> {
        let backlog = self.store().backlog().await?;
        let due = backlog.iter().filter_map(|one| Some((&one.app_id, one.next_due?)));
        self.flights().due(due, self.clock().now());
        Ok(())
    }

    /// Claims what is due now and fits; answers whether anything was asked for.
    async fn claim_due(&self) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let wanted = self.flights().scheduler().claims(self.flights().now(now));
        if wanted.is_empty() {
            return Ok(false);
        }
        let want = |(app_id, limit): &(AppId, usize)| Want {
            app_id: app_id.clone(),
            limit: u32::try_from(*limit).unwrap_or(u32::MAX),
        };
        let wants = wanted.iter().map(want).collect();
        let _exchange = self.flights().exchange().await;
        match self.store().claim(wants, now, now.saturating_add(LEASE)).await {
            Ok(claimed) => {
                for ((_, limit), claimed) in wanted.iter().zip(claimed) {
                    self.take_off(*limit, claimed);
                }
                Ok(true)
            }
            Err(error) => {
                for (app_id, limit) in &wanted {
                    let at = self.flights().now(now);
                    self.flights().claimed(app_id, *limit, Vec::new(), Some(now), at);
                }
                Err(error)
            }
        }
    }

    fn take_off(&self, limit: usize, claimed: Claimed) {
        let Claimed {
            app_id,
            claims,
            next_due,
        } = claimed;
        let fresh = claims
            .into_iter()
            .filter(|claim| self.flights().lease(claim.delivery.id, claim.delivery.generation))
            .map(Leased::again)
            .map(|leased| {
                let bytes = leased.bytes();
                (leased, bytes)
            })
            .collect();
        let now = self.flights().now(self.clock().now());
        let start = self.flights().claimed(&app_id, limit, fresh, next_due, now);
        for leased in start {
            self.push_soon(leased);
        }
    }
}

/// Waits until something is due, or may be due earlier than was known.
async fn wait(engine: &Engine) {
    let flights = engine.flights();
    let wake = flights.scheduler().wake();
    let due = async {
        match wake.clock {
            Some(at) => engine.clock().sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let paced = async {
        match wake.elapsed {
            Some(at) => tokio::time::sleep_until(flights.instant(at).into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = due => {}
        () = paced => {}
        () = flights.rung() => {}
    }
}
