//! Writing attempts down, in batches: whatever waits goes into one commit, and no push waits for it.

use std::sync::Arc;

use larkspur_store::{Settlement, Store};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// One commit takes this many.
const BATCH_MAX: usize = 512;

/// Writes settlements until `settled` says that no more come, and then those that still wait.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    mut settlements: mpsc::Receiver<Settlement>,
    due: Arc<Notify>,
    settled: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        tokio::select! {
            taken = settlements.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { return },
            () = settled.cancelled(), if !settlements.is_closed() => {
                settlements.close();
                continue;
            }
        }
        if let Err(error) = store.settle(std::mem::take(&mut batch)).await {
            // At least once: the leases run out and the events go again.
            tracing::error!(error = %error, "attempts could not be written down");
        }
        due.notify_one();
    }
}
