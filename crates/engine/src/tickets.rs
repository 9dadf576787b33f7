//! App tickets: every store app gets a new one each hour, and again when it asks.

use std::time::Duration;

use larkspur_platform::{Payload, Publication, token};
use larkspur_store::{App, AppKind, StoreError};
use larkspur_wire::{AppId, EventId, TimestampMs};

use crate::engine::Engine;

const EVENT_TYPE: &str = "app_ticket";

/// Pushes a ticket to every store app at the start of each hour, until the engine stops.
pub(crate) async fn run(engine: Engine) {
    let stop = engine.stopping().clone();
    loop {
        let now = engine.clock().now();
        push_all(&engine, now).await;
        let next = token::ticket_slot_end(now);
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.clock().sleep_until(next) => {}
        }
        // A clock that was moved may stand before `next` again for a moment; never spin.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn push_all(engine: &Engine, now: TimestampMs) {
    let waits =
        |app: &&std::sync::Arc<App>| app.kind == AppKind::Store && app.published.is_some() && app.event_url.is_some();
    for app in engine.apps().iter().filter(waits) {
        // The id names app and hour, so that a restart within the hour pushes nothing again.
        let event_id = EventId::mint(token::ticket_event_id(app, now));
        if let Err(error) = engine.push_ticket(&app.id, event_id, now).await {
            tracing::error!(app.id = %app.id, error = %error, "an app ticket could not be stored");
        }
    }
}

impl Engine {
    /// Pushes the ticket of this hour to a store app, because it asked.
    pub async fn push_app_ticket(&self, app: &AppId) -> Result<(), StoreError> {
        self.push_ticket(app, EventId::mint(crate::random::bytes()), self.clock().now())
            .await
    }

    async fn push_ticket(&self, app: &AppId, event_id: EventId, now: TimestampMs) -> Result<(), StoreError> {
        let (Some(facts), Ok(event_type)) = (self.catalog().find(EVENT_TYPE), EVENT_TYPE.parse()) else {
            return Ok(());
        };
        let publication = Publication {
            event_type,
            facts,
            // The ticket itself is put in when the event is rendered, so that it is never stored.
            payload: Payload::empty(),
            tenant_key: None,
            event_id: Some(event_id),
            app_id: Some(app.clone()),
            create_time: Some(token::ticket_slot_start(now)),
        };
        self.publish(vec![publication], false).await?;
        Ok(())
    }
}
