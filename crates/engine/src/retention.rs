//! Retention: what is old, or too much, leaves the log, in small steps with pauses between them.
//!
//! The steps go through the same thread that writes events and attempts; each is over within moments, and afterwards
//! that thread is left to others for several times as long. Only when a round does not get through in a minute, since
//! more comes in than goes, the steps are larger and the pauses shorter.

use std::time::Duration;

use larkspur_store::{StoreError, Trim};
use tokio::time::{Instant, sleep};

use crate::counters::add;
use crate::engine::Engine;

/// How often to look, by the clock that ages go by.
const EVERY: Duration = Duration::from_mins(1);
/// A pause is at least this long, also after a step that found nothing to delete.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// How hard a step presses on the thread that writes.
struct Pressure {
    /// About this many rows are deleted at once.
    rows_max: u32,
    /// The pause is so many times as long as the step.
    pause_factor: u32,
}

/// An event with a delivery and an attempt is three rows, and each may be on a page of its own.
const GENTLE: Pressure = Pressure {
    rows_max: 90,
    pause_factor: 3,
};
const BEHIND: Pressure = Pressure {
    rows_max: 300,
    pause_factor: 1,
};

/// Trims the log until the engine stops.
pub(crate) async fn run(engine: Engine) {
    let stop = engine.stopping().clone();
    let every = async {
        loop {
            if let Err(error) = round(&engine).await {
                tracing::error!(error = %error, "the log could not be trimmed");
            }
            let next = engine.clock().now().saturating_add(EVERY);
            engine.clock().sleep_until(next).await;
            // A clock that was moved may stand before `next` again for a moment; never spin.
            sleep(PAUSE_MIN).await;
        }
    };
    stop.run_until_cancelled(every).await;
}

/// Deletes all that may go now.
async fn round(engine: &Engine) -> Result<(), StoreError> {
    let settings = &engine.settings().retention;
    let mut step = Trim {
        before: engine.clock().now().saturating_sub(settings.age()),
        bytes_max: settings.bytes_max,
        after: None,
        rows_max: 0,
    };
    let began = Instant::now();
    loop {
        let started = Instant::now();
        let pressure = if began.elapsed() < EVERY { GENTLE } else { BEHIND };
        step.rows_max = pressure.rows_max;
        let trimmed = engine.store().trim(&step).await?;
        add(&engine.counts().events_trimmed, trimmed.events);
        if trimmed.next.is_none() {
            return Ok(());
        }
        step.after = trimmed.next;
        sleep((started.elapsed() * pressure.pause_factor).max(PAUSE_MIN)).await;
    }
}
