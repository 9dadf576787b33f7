//! The apps in memory: a snapshot that every publish reads without waiting, replaced when an app changes.

mod error;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use larkspur_catalog::Catalog;
use larkspur_platform::{AppChange, Entropy, NewApp, Rules, Settings, change_app, create_app, publish_app};
use larkspur_store::{App, Binding, BindingKey, ResourceSubscription, Store, StoreError};
use larkspur_wire::{AppId, TimestampMs};

use crate::webhook::{Endpoint, WebhookClient};

pub use error::RegistryError;

/// Every app, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Apps {
    by_id: BTreeMap<AppId, Arc<App>>,
    resource_subscriptions: Vec<ResourceSubscription>,
}

impl Apps {
    /// One app.
    pub fn get(&self, id: &AppId) -> Option<&Arc<App>> {
        self.by_id.get(id)
    }

    /// All apps, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        self.by_id.values()
    }

    /// All resource subscriptions.
    pub fn resource_subscriptions(&self) -> &[ResourceSubscription] {
        &self.resource_subscriptions
    }
}

/// Reads and writes the apps.
#[derive(Debug)]
pub(crate) struct Registry {
    catalog: &'static Catalog,
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    webhook: WebhookClient,
    snapshot: ArcSwap<Apps>,
    /// One change at a time, so that none is built on a state that another has just replaced.
    writing: tokio::sync::Mutex<()>,
}

impl Registry {
    pub(crate) async fn open(
        catalog: &'static Catalog,
        settings: Arc<Settings>,
        store: Arc<dyn Store>,
        webhook: WebhookClient,
    ) -> Result<Self, StoreError> {
        let snapshot = ArcSwap::from_pointee(load(store.as_ref()).await?);
        Ok(Self {
            catalog,
            settings,
            store,
            webhook,
            snapshot,
            writing: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn apps(&self) -> Arc<Apps> {
        self.snapshot.load_full()
    }

    pub(crate) async fn create(&self, new: NewApp, now: TimestampMs) -> Result<Arc<App>, RegistryError> {
        let entropy = entropy();
        let app = create_app(self.rules(), new, &entropy, now)?;
        self.probe(None, &app, now).await?;
        let _writing = self.writing.lock().await;
        if self.apps().get(&app.id).is_some() {
            return Err(larkspur_platform::AppError::Exists(app.id).into());
        }
        self.save(app, now).await
    }

    pub(crate) async fn update(
        &self,
        id: &AppId,
        change: AppChange,
        now: TimestampMs,
    ) -> Result<Arc<App>, RegistryError> {
        let entropy = entropy();
        let before = self.known(id)?;
        let after = change_app(self.rules(), &before, change.clone(), &entropy)?;
        self.probe(Some(&before), &after, now).await?;
        let _writing = self.writing.lock().await;
        let app = change_app(self.rules(), &*self.known(id)?, change, &entropy)?;
        self.save(app, now).await
    }

    pub(crate) async fn publish_version(&self, id: &AppId, now: TimestampMs) -> Result<Arc<App>, RegistryError> {
        let _writing = self.writing.lock().await;
        let app = publish_app(&*self.known(id)?, now);
        self.write(app).await
    }

    pub(crate) async fn delete(&self, id: &AppId) -> Result<(), RegistryError> {
        let _writing = self.writing.lock().await;
        self.known(id)?;
        let deleted = self.store.delete_app(id).await;
        // It may be gone though not all that waits for it is.
        self.reload().await?;
        Ok(deleted.map(drop)?)
    }

    pub(crate) async fn bind(&self, binding: &Binding) -> Result<(), RegistryError> {
        self.known(&binding.app_id)?;
        Ok(self.store.save_binding(binding).await?)
    }

    pub(crate) async fn unbind(&self, key: &BindingKey) -> Result<bool, RegistryError> {
        Ok(self.store.delete_binding(key).await?)
    }

    pub(crate) async fn subscribe_resource(&self, row: &ResourceSubscription) -> Result<(), RegistryError> {
        let _writing = self.writing.lock().await;
        self.known(&row.app_id)?;
        self.store.save_resource_subscription(row).await?;
        Ok(self.reload().await?)
    }

    pub(crate) async fn unsubscribe_resource(&self, row: &ResourceSubscription) -> Result<bool, RegistryError> {
        let _writing = self.writing.lock().await;
        let existed = self.store.delete_resource_subscription(row).await?;
        self.reload().await?;
        Ok(existed)
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            catalog: self.catalog,
            unverified_types: self.settings.assumptions.unverified_types,
        }
    }

    fn known(&self, id: &AppId) -> Result<Arc<App>, RegistryError> {
        let app = self.apps().get(id).map(Arc::clone);
        app.ok_or_else(|| larkspur_platform::AppError::Unknown(id.clone()).into())
    }

    /// Sends the challenge to every request URL that the change sets.
    async fn probe(&self, before: Option<&App>, after: &App, now: TimestampMs) -> Result<(), RegistryError> {
        let urls = [
            (
                "events.url",
                before.and_then(|app| app.event_url.as_ref()),
                after.event_url.as_ref(),
            ),
            (
                "callbacks.url",
                before.and_then(|app| app.callback_url.as_ref()),
                after.callback_url.as_ref(),
            ),
        ];
        for (path, old, new) in urls {
            let Some(url) = new.filter(|url| old != Some(url)) else {
                continue;
            };
            let endpoint = Endpoint::parse(url).map_err(|source| RegistryError::Endpoint { path, source })?;
            let probed = self.webhook.challenge(after, &endpoint, now).await;
            probed.map_err(|source| RegistryError::Challenge { path, source })?;
        }
        Ok(())
    }

    async fn save(&self, app: App, now: TimestampMs) -> Result<Arc<App>, RegistryError> {
        self.write(if self.settings.apps.publish_at_once {
            publish_app(&app, now)
        } else {
            app
        })
        .await
    }

    async fn write(&self, app: App) -> Result<Arc<App>, RegistryError> {
        self.store.save_app(&app).await?;
        let app = Arc::new(app);
        let mut apps = Apps::clone(&self.apps());
        apps.by_id.insert(app.id.clone(), Arc::clone(&app));
        self.snapshot.store(Arc::new(apps));
        Ok(app)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        self.snapshot.store(Arc::new(load(self.store.as_ref()).await?));
        Ok(())
    }
}

async fn load(store: &dyn Store) -> Result<Apps, StoreError> {
    let apps = store
        .apps()
        .await?
        .into_iter()
        .map(|app| (app.id.clone(), Arc::new(app)));
    Ok(Apps {
        by_id: apps.collect(),
        resource_subscriptions: store.resource_subscriptions().await?,
    })
}

fn entropy() -> Entropy {
    Entropy(crate::random::bytes())
}
