//! Notices when the clock is set back.
//!
//! What waits on disk is due by the clock, so that it comes as much later. Nothing can be done about that here: which of
//! the two times was wrong, only an administrator knows.

use std::time::Duration;

use tokio::time::sleep;

use crate::counters::count;
use crate::engine::Engine;

/// How often it is looked whether the clock was set back; what passes in between is missed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Clocks are adjusted all the time; less than this makes no difference to anybody.
const SET_BACK_MIN: Duration = Duration::from_secs(1);

/// Says when the clock was set back, until the engine stops: what waits on disk comes as much later.
pub(crate) async fn watch(engine: Engine) {
    let looking = async {
        let mut before = engine.clock().now();
        loop {
            sleep(LOOK_EVERY).await;
            let now = engine.clock().now();
            if now.saturating_add(SET_BACK_MIN) <= before {
                count(&engine.counts().clock_set_back);
                let by_ms = before.0.saturating_sub(now.0);
                tracing::warn!(
                    by_ms,
                    "the clock was set back; what waits to be pushed comes as much later"
                );
            }
            before = now;
        }
    };
    engine.stopping().run_until_cancelled(looking).await;
}
