//! What is due: retries, and what a crash left behind, claimed from the store.

use larkspur_store::StoreError;
use tokio::time::{Duration, sleep};

use crate::deliver::Leased;
use crate::engine::{Engine, LEASE};

/// One claim takes this many.
const CLAIM_MAX: u32 = 256;
/// A store that failed is asked again after this long.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for room when as much is on its way as fits.
const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// Pushes what is due until the engine stops.
pub(crate) async fn run(engine: Engine) {
    let stop = engine.stopping().clone();
    loop {
        let round = async {
            match claim(&engine).await {
                Ok(0) => wait(&engine).await,
                Ok(_) => {}
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

/// Claims what is due now and fits; answers how many there were.
async fn claim(engine: &Engine) -> Result<usize, StoreError> {
    let room = u32::try_from(engine.flights().free())
        .unwrap_or(CLAIM_MAX)
        .min(CLAIM_MAX);
    if room == 0 {
        sleep(ROOM_PAUSE).await;
        return Ok(1);
    }
    let now = engine.clock().now();
    let claims = engine.store().claim(now, now.saturating_add(LEASE), room).await?;
    let claimed = claims.len();
    for claim in claims {
        engine.push_soon(Leased::again(claim));
    }
    Ok(claimed)
}

/// Waits until something is due, or may be due earlier than was known.
async fn wait(engine: &Engine) {
    let next = match engine.store().next_due().await {
        Ok(next) => next,
        Err(error) => {
            tracing::error!(error = %error, "the next due time could not be read");
            return sleep(STORE_PAUSE).await;
        }
    };
    let due = async {
        match next {
            Some(at) => engine.clock().sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = due => {}
        () = engine.due().notified() => {}
    }
}
