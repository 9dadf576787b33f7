//! Writing attempts down, in batches: whatever waits goes into one commit, and no push waits for it.

use std::time::Duration;

use larkspur_store::{Settlement, StoreError, Verdict};
use larkspur_wire::{AppId, TimestampMs};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// One commit takes this many: with a pause before each, fewer would be a limit on what is pushed in a second.
const BATCH_MAX: usize = 2_048;
/// What ended this long ago at most is written down with what ends meanwhile: nobody waits for it, and a commit of each
/// would cost more than the push.
const GATHER: Duration = Duration::from_millis(5);
/// A store that failed is asked again after this long. Pushing comes to rest meanwhile, when enough attempts wait.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// An attempt to be written down.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) app_id: AppId,
    pub(crate) settlement: Settlement,
}

/// Writes settlements until `settled` says that no more come, and then those that still wait.
pub(crate) async fn run(engine: Engine, mut waiting: mpsc::Receiver<Settled>, settled: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        tokio::select! {
            taken = waiting.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { return },
            () = settled.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        }
        if batch.len() < BATCH_MAX && !batch.iter().any(|one| one.settlement.in_order) {
            tokio::select! {
                () = sleep(GATHER) => {}
                () = settled.cancelled() => {}
            }
            while batch.len() < BATCH_MAX
                && let Ok(one) = waiting.try_recv()
            {
                batch.push(one);
            }
        }
        let due: Vec<_> = batch.iter().filter_map(|one| due(&engine, one)).collect();
        let mut settlements: Vec<_> = batch.drain(..).map(|one| one.settlement).collect();
        while let Err(error) = write(&engine, &mut settlements).await {
            tracing::error!(error = %error, "attempts could not be written down");
            if settled.is_cancelled() {
                // At least once: what is not written down is pushed again after the next start.
                return;
            }
            sleep(STORE_PAUSE).await;
        }
        engine
            .flights()
            .due(due.iter().map(|(app, at)| (app, *at)), engine.clock().now());
    }
}

/// Settles every delivery under its newest lease; only then may it be leased anew.
async fn write(engine: &Engine, settlements: &mut [Settlement]) -> Result<(), StoreError> {
    let flights = engine.flights();
    let _exchange = flights.exchange().await;
    for settlement in &mut *settlements {
        if let Some(generation) = flights.generation(settlement.delivery) {
            settlement.generation = generation;
        }
    }
    engine.store().settle(settlements.to_vec()).await?;
    for settlement in settlements {
        flights.leave(settlement.delivery);
    }
    Ok(())
}

/// What the app has to be claimed for once this is written down.
fn due(engine: &Engine, one: &Settled) -> Option<(AppId, TimestampMs)> {
    match one.settlement.verdict {
        Verdict::Again(at) => Some((one.app_id.clone(), at)),
        Verdict::Delivered | Verdict::Dead if one.settlement.in_order => {
            Some((one.app_id.clone(), engine.clock().now()))
        }
        Verdict::Delivered | Verdict::Dead => None,
    }
}
