//! What a test makes happen: events, callbacks, time.

use std::time::Duration;

use larkspur::EventType;
use larkspur_engine::Published;
use larkspur_engine::{CallError, Called};
use larkspur_platform::{Call, Publication, PublishError, UnverifiedTypes};
use larkspur_wire::{AppId, EventId};
use serde_json::{Value, json};

use super::TestPlatform;

impl TestPlatform {
    /// Publishes the catalogue's example of a type to the app.
    pub async fn trigger(&self, event_type: &str) -> EventId {
        self.trigger_for(&self.app_id, event_type).await
    }

    /// Publishes the catalogue's example of a type to one app.
    pub async fn trigger_for(&self, app: &AppId, event_type: &str) -> EventId {
        let facts = self.engine.catalog().find(event_type).expect("the type exists");
        let body = json!({ "event_type": event_type, "event": facts.sample(), "app_id": app });
        self.publish(&body).await.expect("the example fits").event_id
    }

    /// Publishes an event to the app, for example a [`TestPlatform::sample`] that was changed.
    pub async fn trigger_event<T: EventType>(&self, event: &T) -> EventId {
        let body = json!({ "event_type": T::KEY, "event": event, "app_id": self.app_id });
        self.publish(&body).await.expect("the event fits its type").event_id
    }

    /// The catalogue's example of an event.
    pub fn sample<T: EventType>(&self) -> T {
        let facts = self.engine.catalog().find(T::KEY).expect("the type exists");
        serde_json::from_value(facts.sample()).expect("every object can be read")
    }

    /// Publishes the catalogue's example of a type to the app, as something that happened this long ago.
    pub async fn trigger_aged(&self, event_type: &str, age: Duration) -> EventId {
        let facts = self.engine.catalog().find(event_type).expect("the type exists");
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let create_time = self.engine.clock().now().0.saturating_sub(age_ms);
        let body = json!({
            "event_type": event_type,
            "event": facts.sample(),
            "app_id": self.app_id,
            "create_time": create_time,
        });
        self.publish(&body).await.expect("the example fits").event_id
    }

    /// Publishes an event as a producer would, body and all.
    pub async fn publish(&self, body: &Value) -> Result<Published, PublishError> {
        let settings = &self.engine.settings().publish;
        let body = body.to_string();
        let publication = Publication::parse(
            body.as_bytes(),
            self.engine.catalog(),
            settings,
            UnverifiedTypes::Accept,
        )?;
        let answers = self.engine.publish(vec![publication], false).await;
        answers
            .expect("the store works")
            .pop()
            .expect("one answer for one event")
    }

    /// Pushes an event once more, whatever became of it, as the platform does when it lost its memory of a success.
    pub async fn resend(&self, event: &EventId) {
        let resent = self.engine.resend_event(event).await.expect("the store works");
        assert!(resent.is_some_and(|resent| resent.resent > 0), "nothing to push again");
    }

    /// Asks the app for its answer to a callback, such as `card.action.trigger`.
    pub async fn call(&self, callback: &str, event: &Value) -> Result<Called, CallError> {
        self.call_app(&self.app_id, callback, event).await
    }

    /// Asks one app for its answer to a callback.
    pub async fn call_app(&self, app: &AppId, callback: &str, event: &Value) -> Result<Called, CallError> {
        let body = json!({ "event_type": callback, "event": event, "app_id": app }).to_string();
        let settings = &self.engine.settings().publish;
        let catalog = self.engine.catalog();
        let call = Call::parse(body.as_bytes(), catalog, settings, UnverifiedTypes::Accept)?;
        self.engine.call(call).await
    }

    /// Moves the clock, by which retries become due.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}
