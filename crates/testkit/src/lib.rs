//! A Larkspur platform in a test: in this process, on a free port, with a clock that the test moves.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! use larkspur::{Meta, Router};
//! use larkspur_testkit::Platform;
//!
//! let platform = Platform::start().await;
//! let client = platform.app().connect(Router::new().fallback(async |_: Meta| {}));
//! let client = tokio::spawn(client.into_future());
//! platform.online(1).await;
//! let event = platform.trigger("hire.eco_exam.created_v1").await;
//! assert_eq!(platform.settled(&event).await, [larkspur_testkit::DeliveryState::Delivered]);
//! client.abort();
//! # }
//! ```

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use larkspur::{App, Domain};
use larkspur_catalog::Catalog;
use larkspur_engine::{CallError, Called, Engine, MovableClock, Published};
use larkspur_platform::{
    AppChange, Call, NewApp, Publication, PublishError, SecretChange, Selection, Settings, SubscriptionChange,
    UnverifiedTypes,
};
use larkspur_server::{ServerConfig, serve};
use larkspur_store::{AppKind, Attempt, DeliveryQuery, Mode};
use larkspur_store_sqlite::{Options, SqliteStore};
use larkspur_wire::{AppId, EventId, TimestampMs};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use larkspur_store::DeliveryState;

/// The tenant of events that name none.
pub const TENANT: &str = "2ca1d211f64f6438";
/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running platform with one app, `app`, that receives every event type and callback over a persistent connection.
#[derive(Debug)]
pub struct Platform {
    engine: Engine,
    clock: Arc<MovableClock>,
    url: String,
    app_id: AppId,
    _stop: DropGuard,
    _dir: tempfile::TempDir,
}

/// Time begins here; it passes as it does outside, and faster when a test moves the clock.
fn now() -> TimestampMs {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or_default())
}

impl Platform {
    /// Starts a platform with the settings that `larkspur dev` has.
    ///
    /// # Panics
    ///
    /// When it cannot start; so do the other functions here when they cannot do what they say.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a platform with changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.apps.publish_at_once = true;
        settings.sessions.reconnect_nonce_seconds = 1;
        settings.sessions.reconnect_interval_seconds = 1;
        settings.delivery.allow_private_addresses = true;
        settings.publish.default_tenant = TENANT.parse().ok();
        change(&mut settings);
        let dir = tempfile::tempdir().expect("a folder for the data");
        let store = SqliteStore::open(&dir.path().join("larkspur.db"), &Options::default()).expect("a new store");
        let clock = MovableClock::new(now);
        let engine = Engine::start(settings, Catalog::embedded(), Arc::new(store), Arc::clone(&clock) as _).await;
        let engine = engine.expect("an engine");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let stop = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            None,
            engine.clone(),
            ServerConfig::default(),
            stop.clone(),
        ));
        let app = engine
            .create_app(everything("app", Mode::Websocket))
            .await
            .expect("an app");
        Self {
            engine,
            clock,
            url,
            app_id: app.id.clone(),
            _stop: stop.drop_guard(),
            _dir: dir,
        }
    }

    /// The engine, for everything else.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the platform is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The app that receives over a persistent connection, for the SDK.
    pub fn app(&self) -> App {
        self.credentials(&self.app_id)
    }

    /// An app's credentials, for the SDK.
    pub fn credentials(&self, id: &AppId) -> App {
        let apps = self.engine.apps();
        let app = apps.get(id).expect("the app exists");
        let domain = Domain::parse(&self.url).expect("our own address");
        App::new(app.id.as_str(), app.app_secret.clone())
            .expect("a valid id")
            .domain(domain)
            .encrypt_key(app.encrypt_key.clone())
            .verification_token(app.verification_token.clone())
    }

    /// Adds an app that receives every event type by webhook; its URL comes with [`Platform::set_url`].
    pub async fn add_webhook_app(&self, encrypted: bool) -> AppId {
        let mut new = everything("webhook", Mode::Webhook);
        new.config.encrypt_key = encrypted.then_some(SecretChange::Reset);
        self.engine.create_app(new).await.expect("an app").id.clone()
    }

    /// Sets an app's request URL for events, which must answer the challenge.
    pub async fn set_url(&self, id: &AppId, url: &str) {
        let events = SubscriptionChange {
            url: Some(Some(url.to_owned())),
            ..SubscriptionChange::default()
        };
        let change = AppChange {
            events,
            ..AppChange::default()
        };
        self.engine
            .update_app(id, change)
            .await
            .expect("the URL answers the challenge");
    }

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

    /// Asks the app for its answer to a callback, such as `card.action.trigger`.
    pub async fn call(&self, callback: &str, event: &Value) -> Result<Called, CallError> {
        let body = json!({ "event_type": callback, "event": event, "app_id": self.app_id }).to_string();
        let settings = &self.engine.settings().publish;
        let catalog = self.engine.catalog();
        let call = Call::parse(body.as_bytes(), catalog, settings, UnverifiedTypes::Accept)?;
        self.engine.call(call).await
    }

    /// Moves the clock, by which retries become due.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Waits until the app has this many live connections.
    pub async fn online(&self, connections: usize) {
        self.until(async || self.engine.hub().online(&self.app_id) == connections)
            .await;
    }

    /// Waits until this many attempts have been made, and answers them.
    pub async fn attempts(&self, event: &EventId, at_least: usize) -> Vec<Attempt> {
        let all = async || {
            let mut all = Vec::new();
            for delivery in self.deliveries(event).await {
                all.extend(
                    self.engine
                        .store()
                        .attempts(delivery.id)
                        .await
                        .expect("the store works"),
                );
            }
            all
        };
        self.until(async || all().await.len() >= at_least).await;
        all().await
    }

    /// Waits until no delivery of the event is pending, and answers how each ended.
    pub async fn settled(&self, event: &EventId) -> Vec<DeliveryState> {
        let states = async || {
            self.deliveries(event)
                .await
                .into_iter()
                .map(|row| row.state)
                .collect::<Vec<_>>()
        };
        self.until(async || !states().await.contains(&DeliveryState::Pending))
            .await;
        states().await
    }

    async fn deliveries(&self, event: &EventId) -> Vec<larkspur_store::Delivery> {
        let query = DeliveryQuery {
            event_id: Some(event.clone()),
            limit: 1_000,
            ..DeliveryQuery::default()
        };
        self.engine
            .store()
            .deliveries(&query)
            .await
            .expect("the store works")
            .rows
    }

    /// Waits until something is so; panics when it does not come to be.
    pub async fn until<F: Future<Output = bool>>(&self, so: impl Fn() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !so().await {
            assert!(
                Instant::now() < deadline,
                "it did not come to be within {} s",
                PATIENCE.as_secs()
            );
            sleep(LOOK_EVERY).await;
        }
    }
}

fn everything(name: &str, mode: Mode) -> NewApp {
    let events = SubscriptionChange {
        mode: Some(mode),
        types: Some(Selection::All),
        url: None,
    };
    NewApp {
        kind: AppKind::Custom,
        id: None,
        config: AppChange {
            name: Some(name.to_owned()),
            tenants: Some(BTreeSet::from_iter(TENANT.parse())),
            scopes: Some(Selection::All),
            callbacks: events.clone(),
            events,
            ..AppChange::default()
        },
    }
}
