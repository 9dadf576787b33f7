//! Following an event until every app has it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::admin::{Admin, To};
use crate::failure::{Exit, Failure};
use crate::ui::{Ui, count};

/// How often to look.
const POLL_EVERY: Duration = Duration::from_millis(50);
/// A push to nobody fails at once; its result is in the log as soon as it is settled, which takes a busy machine a while.
const FIRST_TRY: Duration = Duration::from_secs(10);

/// Adds `next_try_at` to the deliveries that found nobody online.
///
/// It is an extra: a token that may only publish cannot ask, and does without.
pub(super) async fn next_tries(admin: &Admin, published: &mut Value) {
    let Some(deliveries) = published["deliveries"].as_array_mut() else {
        return;
    };
    let deadline = Instant::now() + FIRST_TRY;
    for delivery in deliveries {
        if delivery["mode"] != "websocket" || delivery["online"] != 0 {
            continue;
        }
        let id = delivery["delivery_id"].as_str().unwrap_or_default().to_owned();
        let app_id = delivery["app_id"].as_str().unwrap_or_default();
        match admin.get(To(&["apps", app_id], &[])).await {
            // Nothing is tried before that is over.
            Ok(app) if app["delivery"]["paused"] == true => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        while Instant::now() < deadline {
            let Ok(now) = admin.get(To(&["deliveries", &id], &[])).await else {
                return;
            };
            if now["attempts"] != 0 {
                delivery["next_try_at"] = now["due_at"].clone();
                break;
            }
            sleep(POLL_EVERY).await;
        }
    }
}

/// Waits until no delivery of the events is pending.
pub(super) async fn until_settled(
    ui: &Ui,
    admin: &Admin,
    event_ids: &[String],
    timeout: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut delivered = 0;
    for event_id in event_ids {
        delivered += settled(admin, event_id, deadline, timeout).await?;
    }
    let value = match event_ids {
        [event_id] => json!({ "event_id": event_id, "delivered": delivered }),
        _ => json!({ "events": event_ids.len(), "delivered": delivered }),
    };
    ui.result(&value, || match event_ids.len() {
        1 => format!("  delivered to {}", count(delivered, "app")),
        n => format!("{n} events, delivered {delivered} times"),
    });
    Ok(())
}

/// How many apps have the event, once all have it.
async fn settled(admin: &Admin, event_id: &str, deadline: Instant, timeout: Duration) -> Result<usize, Failure> {
    loop {
        let event = admin.get(To(&["events", event_id], &[])).await?;
        let deliveries = event["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
        let in_state = |state: &str| deliveries.iter().find(|delivery| delivery["state"] == state);
        if let Some(dead) = in_state("dead") {
            let given_up = format!("event {event_id} was given up {}", why(dead));
            return Err(Failure::msg(Exit::Failed, given_up).with_hint("repair the receiver, and trigger it again"));
        }
        match (deliveries.len(), in_state("pending")) {
            (0, _) => {
                return Err(Failure::msg(Exit::Failed, format!("no app gets event {event_id}"))
                    .with_hint("trigger it without --json for the reasons, and see `larkspur app show` of the app"));
            }
            (n, None) => return Ok(n),
            (_, Some(pending)) if Instant::now() >= deadline => {
                let late = format!("event {event_id} is still pending after {timeout:?}, {}", why(pending));
                return Err(Failure::msg(Exit::TimedOut, late).with_hint(
                    "connect a client of that app, such as `larkspur listen`, or give it longer with --timeout",
                ));
            }
            (_, Some(_)) => sleep(POLL_EVERY).await,
        }
    }
}

/// The app, and what its last attempt said.
fn why(delivery: &Value) -> String {
    let app_id = delivery["app_id"].as_str().unwrap_or_default();
    let last = delivery["attempt_log"].as_array().and_then(|attempts| attempts.last());
    match last.and_then(|attempt| attempt["error"].as_str()) {
        Some(error) => format!("for {app_id}: {error}"),
        None => format!("for {app_id}"),
    }
}
