//! The running platform: what it is made of, and how it starts and stops.

use std::sync::Arc;
use std::time::Duration;

use larkspur_catalog::Catalog;
use larkspur_platform::{AppChange, NewApp, Settings, SettingsError};
use larkspur_store::{App, Binding, BindingKey, ResourceSubscription, Store, StoreError};
use larkspur_wire::AppId;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::again::Again;
use crate::call::CALLS_MAX;
use crate::clock::Clock;
use crate::counters::{Counters, Counts};
use crate::flights::Flights;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::registry::{Apps, Registry, RegistryError};
use crate::settle::Settled;
use crate::webhook::{WebhookClient, WebhookSetupError};
use crate::{retention, settle, tickets};

/// Watchers that fall further behind miss what happened.
const ACTIVITY_MAX: usize = 4_096;
/// Attempts that wait to be written; pushing waits when the store is this far behind.
const SETTLEMENTS_MAX: usize = 10_000;
/// Apps that have connected and wait to be noticed; more are noticed at their next push.
const CONNECTED_MAX: usize = 1_024;
/// Of the time there is to end, kept back from pushes for closing sessions and writing down how the pushes did.
const CLOSING: Duration = Duration::from_secs(1);

/// The platform cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The webhook client could not be made.
    #[error("the webhook client cannot be set up")]
    Webhook(#[from] WebhookSetupError),
}

/// The running platform; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    catalog: &'static Catalog,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hub: Hub,
    webhook: WebhookClient,
    registry: Registry,
    flights: Flights,
    again: Again,
    settlements: mpsc::Sender<Settled>,
    activity: broadcast::Sender<Activity>,
    counters: Counters,
    metrics: Metrics,
    readiness: Readiness,
    /// One for each callback that may be under way.
    calls: Semaphore,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Cancelled when no more attempts come.
    settled: CancellationToken,
    settling: TaskTracker,
}

impl Engine {
    /// Starts the platform on a store that it alone uses: what was left leased goes again at once.
    pub async fn start(
        settings: Settings,
        catalog: &'static Catalog,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        settings.validate()?;
        let settings = Arc::new(settings);
        let (activity, _) = broadcast::channel(ACTIVITY_MAX);
        let webhook = WebhookClient::new(&settings.delivery, &settings.assumptions)?;
        let (opened, connected) = mpsc::channel(CONNECTED_MAX);
        let hub = Hub::new(
            settings.sessions.clone(),
            settings.assumptions.clone(),
            Arc::clone(&clock),
            activity.clone(),
            opened,
        );
        let registry = Registry::open(catalog, Arc::clone(&settings), Arc::clone(&store), webhook.clone()).await?;
        store.release_leases(clock.now()).await?;
        let (settlements, to_settle) = mpsc::channel(SETTLEMENTS_MAX);
        let engine = Self {
            inner: Arc::new(Inner {
                flights: Flights::new(settings.delivery.in_flight_per_app),
                again: Again::new(settings.again.per_second),
                settings,
                catalog,
                store,
                clock,
                hub,
                webhook,
                registry,
                settlements,
                activity,
                counters: Counters::default(),
                metrics: Metrics::new(),
                readiness: Readiness::default(),
                calls: Semaphore::new(CALLS_MAX),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
                settled: CancellationToken::new(),
                settling: TaskTracker::new(),
            }),
        };
        for app in engine.apps().iter() {
            engine.flights().configure(app, engine.clock().now());
        }
        engine.learn_backlog().await?;
        let settling = settle::run(engine.clone(), to_settle, engine.inner.settled.clone());
        engine.inner.settling.spawn(settling);
        engine.inner.settling.close();
        engine.spawn(crate::retry::watch(engine.clone(), connected));
        engine.spawn(crate::retry::run(engine.clone()));
        engine.spawn(tickets::run(engine.clone()));
        engine.spawn(retention::run(engine.clone()));
        engine.spawn(crate::skew::watch(engine.clone()));
        Ok(engine)
    }

    /// Takes and claims no more deliveries, and waits for those on their way, but not beyond the time that the settings
    /// give. Sessions stay open for their acks.
    pub async fn drain(&self) {
        let inner = &self.inner;
        let grace = inner.settings.shutdown.grace();
        let deadline = inner.readiness.drain(grace);
        inner.stop.cancel();
        inner.tasks.close();
        let pushed = timeout_at(deadline - CLOSING.min(grace / 2), inner.tasks.wait()).await;
        if pushed.is_err() {
            tracing::warn!("gave up waiting for pushes on their way; they go again after the next start");
        }
    }

    /// Drains, ends the sessions, and writes down how the pushes did. Publishing is over before this.
    pub async fn shutdown(&self) {
        self.drain().await;
        self.inner.hub.close_all(self.grace_left().max(CLOSING)).await;
        self.inner.settled.cancel();
        let settled = timeout(self.grace_left().max(CLOSING), self.inner.settling.wait()).await;
        if settled.is_err() {
            tracing::warn!("gave up waiting for attempts to be written down");
        }
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What event types there are.
    pub fn catalog(&self) -> &'static Catalog {
        self.inner.catalog
    }

    /// Where everything is kept; for reading the log and the bindings.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The time of schedules and ages.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The persistent connections.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Everything that happens from now on.
    pub fn activity(&self) -> broadcast::Receiver<Activity> {
        self.inner.activity.subscribe()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counts {
        self.inner.counters.read()
    }

    /// Every app, as of now.
    pub fn apps(&self) -> Arc<Apps> {
        self.inner.registry.apps()
    }

    /// Makes an app. Its request URLs must answer the challenge.
    pub async fn create_app(&self, new: NewApp) -> Result<Arc<App>, RegistryError> {
        let now = self.inner.clock.now();
        let app = self.inner.registry.create(new, now).await?;
        self.inner.flights.configure(&app, now);
        Ok(app)
    }

    /// Changes an app. A request URL that changes must answer the challenge; a new App Secret ends its sessions.
    pub async fn update_app(&self, id: &AppId, change: AppChange) -> Result<Arc<App>, RegistryError> {
        let new_secret = change.app_secret.is_some();
        let now = self.inner.clock.now();
        let app = self.inner.registry.update(id, change, now).await?;
        self.inner.flights.configure(&app, now);
        if new_secret {
            self.inner.hub.disconnect(id);
        }
        Ok(app)
    }

    /// Puts an app's draft in force.
    pub async fn publish_version(&self, id: &AppId) -> Result<Arc<App>, RegistryError> {
        self.inner.registry.publish_version(id, self.inner.clock.now()).await
    }

    /// Removes an app and ends its sessions; its log stays.
    pub async fn delete_app(&self, id: &AppId) -> Result<(), RegistryError> {
        let (engine, id) = (self.clone(), id.clone());
        let delete = async move {
            let deleted = engine.inner.registry.delete(&id).await;
            if engine.apps().get(&id).is_none() {
                engine.inner.flights.remove(&id, engine.inner.clock.now());
                engine.inner.hub.disconnect(&id);
            }
            deleted
        };
        // In a task of its own: half of it must not be left when whoever asked goes away.
        self.spawn(delete).await.unwrap_or(Err(StoreError::Closed.into()))
    }

    /// Lets events that name a thing go to an app.
    pub async fn bind(&self, binding: Binding) -> Result<(), RegistryError> {
        self.inner.registry.bind(&binding).await
    }

    /// Removes a binding. Answers whether it existed.
    pub async fn unbind(&self, key: &BindingKey) -> Result<bool, RegistryError> {
        self.inner.registry.unbind(key).await
    }

    /// Subscribes an app to a resource.
    pub async fn subscribe_resource(&self, row: ResourceSubscription) -> Result<(), RegistryError> {
        self.inner.registry.subscribe_resource(&row).await
    }

    /// Ends an app's subscription to a resource. Answers whether it existed.
    pub async fn unsubscribe_resource(&self, row: &ResourceSubscription) -> Result<bool, RegistryError> {
        self.inner.registry.unsubscribe_resource(row).await
    }

    pub(crate) fn counts(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    /// Attempts that wait to be written down.
    pub(crate) fn unsettled(&self) -> usize {
        let settlements = &self.inner.settlements;
        settlements.max_capacity() - settlements.capacity()
    }

    pub(crate) fn calls(&self) -> &Semaphore {
        &self.inner.calls
    }

    pub(crate) fn webhook(&self) -> &WebhookClient {
        &self.inner.webhook
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.inner.flights
    }

    pub(crate) fn again(&self) -> &Again {
        &self.inner.again
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Hands an attempt to the one who writes them down; waits only when thousands are waiting.
    pub(crate) async fn settle(&self, settled: Settled) {
        // The other end outlives every push, except when shutting down took too long: then the lease runs out.
        let _ = self.inner.settlements.send(settled).await;
    }

    /// Tells whoever watches; nothing is put together when nobody does.
    pub(crate) fn announce(&self, activity: impl FnOnce() -> Activity) {
        if self.inner.activity.receiver_count() > 0 {
            let _ = self.inner.activity.send(activity());
        }
    }

    /// Runs a task that the end waits for.
    pub(crate) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.inner.tasks.spawn(task)
    }
}
