//! The platform of a test, and its apps.

mod act;
mod wait;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::server;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use larkspur::{App, Domain, Router};
use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, MovableClock};
use larkspur_platform::{AppChange, NewApp, SecretChange, Selection, Settings, SubscriptionChange};
use larkspur_server::{ServerConfig, serve};
use larkspur_store::{AppKind, Mode};
use larkspur_store_sqlite::{Options, SqliteStore};
use larkspur_wire::{AppId, TimestampMs};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::chaos::Chaos;
use crate::client::Client;
use crate::watch::Watch;

/// The tenant of events that name none.
pub const TENANT: &str = "2ca1d211f64f6438";
/// The name of the app that is there from the start.
const APP: &str = "app";

/// A running platform with one app, `app`, that receives every event type and callback over a persistent connection.
///
/// Its functions panic when they cannot do what they say: it is made for tests.
#[derive(Debug)]
pub struct TestPlatform {
    engine: Engine,
    clock: Arc<MovableClock>,
    url: String,
    chaos: Chaos,
    chaos_url: String,
    watch: Watch,
    app_id: AppId,
    stop: CancellationToken,
    _stop: DropGuard,
    /// Removed with the platform.
    dir: Option<tempfile::TempDir>,
}

/// Time begins here; it passes as it does outside, and faster when a test moves the clock.
fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or_default())
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let authority = listener.local_addr().expect("its address").to_string();
    (listener, authority)
}

impl TestPlatform {
    /// Starts a platform with the settings that `larkspur dev` has, and shorter waits.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a platform with changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the data");
        let mut platform = Self::in_folder(dir.path(), change).await;
        platform.dir = Some(dir);
        platform
    }

    /// Starts a platform whose data are in this folder, those of an earlier one included.
    pub async fn in_folder(folder: &Path, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.apps.publish_at_once = true;
        settings.sessions.reconnect_nonce_seconds = 1;
        settings.sessions.reconnect_interval_seconds = 1;
        settings.delivery.allow_private_addresses = true;
        // A test may share its machine with a compiler.
        settings.delivery.challenge_timeout_ms = 20_000;
        settings.publish.default_tenant = TENANT.parse().ok();
        change(&mut settings);
        let store = SqliteStore::open(&folder.join("larkspur.db"), &Options::default()).expect("a new store");
        let clock = MovableClock::new(now);
        let engine = Engine::start(settings, Catalog::embedded(), Arc::new(store), Arc::clone(&clock) as _).await;
        let engine = engine.expect("an engine");
        let (listener, authority) = listen().await;
        let stop = CancellationToken::new();
        let config = ServerConfig::default();
        tokio::spawn(serve(listener, None, engine.clone(), config, stop.clone()));
        let chaos = Chaos::new(stop.clone());
        let (listener, chaos_authority) = listen().await;
        chaos.stand_before_platform(listener, &authority);
        let apps = engine.apps();
        let app_id = match apps.iter().find(|app| app.name == APP) {
            Some(app) => app.id.clone(),
            None => {
                let app = engine.create_app(everything(APP, Mode::Websocket)).await;
                app.expect("an app").id.clone()
            }
        };
        Self {
            engine,
            clock,
            url: format!("http://{authority}"),
            chaos,
            chaos_url: format!("http://{chaos_authority}"),
            watch: Watch::default(),
            app_id,
            _stop: stop.clone().drop_guard(),
            stop,
            dir: None,
        }
    }

    /// What goes wrong between the apps and the platform.
    pub fn chaos(&self) -> &Chaos {
        &self.chaos
    }

    /// The engine, for everything else.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the platform is. Clients of [`TestPlatform::app`] reach it through [`TestPlatform::chaos`] instead.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where clients reach the platform through [`TestPlatform::chaos`]: the domain for a client of your own making.
    pub fn chaos_url(&self) -> &str {
        &self.chaos_url
    }

    /// The app that receives over a persistent connection, for the SDK.
    pub fn app(&self) -> App {
        self.credentials(&self.app_id)
    }

    /// An app's credentials, for the SDK.
    pub fn credentials(&self, id: &AppId) -> App {
        let apps = self.engine.apps();
        let app = apps.get(id).expect("the app exists");
        let domain = Domain::parse(&self.chaos_url).expect("our own address");
        App::new(app.id.as_str(), app.app_secret.clone())
            .expect("a valid id")
            .domain(domain)
            .encrypt_key(app.encrypt_key.clone())
            .verification_token(app.verification_token.clone())
    }

    /// Adds an app that receives every event type over a persistent connection.
    pub async fn add_app(&self, name: &str) -> AppId {
        let created = self.engine.create_app(everything(name, Mode::Websocket)).await;
        created.expect("an app").id.clone()
    }

    /// Adds an app that receives every event type by webhook; its endpoint comes with [`TestPlatform::serve`] or
    /// [`TestPlatform::set_url`].
    pub async fn add_webhook_app(&self, encrypted: bool) -> AppId {
        let mut new = everything("webhook", Mode::Webhook);
        new.config.encrypt_key = encrypted.then_some(SecretChange::Reset);
        self.engine.create_app(new).await.expect("an app").id.clone()
    }

    /// Adds a store app that receives every event type by webhook.
    pub async fn add_store_app(&self) -> AppId {
        let mut new = everything("store", Mode::Webhook);
        new.kind = AppKind::Store;
        self.engine.create_app(new).await.expect("an app").id.clone()
    }

    /// Sets an app's request URL for events and callbacks, which must answer the challenge. The platform reaches it
    /// through [`TestPlatform::chaos`].
    pub async fn set_url(&self, id: &AppId, url: &str) {
        let endpoint = Url::parse(url).expect("a URL");
        let (listener, authority) = listen().await;
        self.chaos.stand_before_endpoint(listener, &endpoint);
        let url = format!("http://{authority}{}", endpoint.path());
        let subscription = SubscriptionChange {
            url: Some(Some(url)),
            ..SubscriptionChange::default()
        };
        let change = AppChange {
            events: subscription.clone(),
            callbacks: subscription,
            ..AppChange::default()
        };
        let updated = self.engine.update_app(id, change).await;
        updated.expect("the URL answers the challenge");
    }

    /// Serves an app's webhook with these handlers, and tells the platform where.
    pub async fn serve(&self, id: &AppId, router: Router) {
        let webhook = self.credentials(id).webhook(self.watch(router));
        let webhook = webhook.expect("a router that can be right");
        let (listener, authority) = listen().await;
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((tcp, _)) = listener.accept().await {
                    let service = TowerToHyperService::new(webhook.clone());
                    let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
                    let stop = stop.clone();
                    tokio::spawn(async move { stop.run_until_cancelled(connection).await });
                }
            };
            stop.run_until_cancelled(accepting).await;
        });
        self.set_url(id, &format!("http://{authority}/")).await;
    }

    /// Connects a client of the app with these handlers, and waits until it is online.
    pub async fn client(&self, router: Router) -> Client {
        let connections = self.engine.hub().online(&self.app_id) + 1;
        let client = Client::start(self.app().connect(self.watch(router)));
        self.online(connections).await;
        client
    }

    /// The same router, whose handlers' calls [`TestPlatform::handled`] counts. Put your own layers on it before.
    pub fn watch(&self, router: Router) -> Router {
        router.layer(self.watch.clone())
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
