//! A platform on a free port, with an inbox for webhooks on the same port and a clock that can be moved.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, MovableClock};
use larkspur_platform::Settings;
use larkspur_server::{HostGuard, ServerConfig, Tls, serve};
use larkspur_store_sqlite::{Options, SqliteStore};
use larkspur_wire::{Secret, TimestampMs};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Call};
use crate::contract::Contract;

pub(crate) const TENANT: &str = "2ca1d211f64f6438";
pub(crate) const ADMIN_TOKEN: &str = "the admin token of the tests";
/// Long enough for a loaded machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What webhooks brought: the inbox's name and the body.
type Inbox = Arc<Mutex<Vec<(String, Value)>>>;

pub(crate) struct Platform {
    pub(crate) addr: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) contract: Contract,
    pub(crate) shutdown: CancellationToken,
    /// Ends when the listener has stopped; taken by who waits for it.
    pub(crate) serving: Option<JoinHandle<io::Result<()>>>,
    inbox: Inbox,
    pub(crate) dir: TempDir,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}, None).await
    }

    /// A platform with its settings and configuration changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings, &mut ServerConfig), tls: Option<Tls>) -> Self {
        let mut settings = Settings::default();
        settings.delivery.allow_private_addresses = true;
        // Feishu gives a second, which a busy machine may not keep.
        settings.delivery.challenge_timeout_ms = 20_000;
        settings.apps.publish_at_once = true;
        settings.publish.default_tenant = Some(TENANT.parse().unwrap());
        settings.publish.event_bytes_max = 64 * 1024;
        settings.publish.body_bytes_max = 256 * 1024;
        settings.sessions.first_push_delay_ms = 1;
        let clock = MovableClock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            TimestampMs(since.as_millis().try_into().unwrap())
        });
        let inbox = Inbox::default();
        let mut config = ServerConfig {
            public_url: None,
            guard: HostGuard::Loopback,
            admin_token: Some(Secret::from(ADMIN_TOKEN)),
            clock: Some(Arc::clone(&clock)),
            mount: Router::new()
                .route("/inbox/{name}", post(receive))
                .with_state(Arc::clone(&inbox)),
        };
        change(&mut settings, &mut config);
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&dir.path().join("larkspur.db"), &Options::default()).unwrap());
        let engine = Engine::start(settings, Catalog::embedded(), Arc::clone(&store) as _, clock)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let plain = tls.is_none();
        let serving = tokio::spawn(serve(listener, tls, engine.clone(), config, shutdown.clone()));
        let document = if plain {
            Call::new(addr, "GET", "/api/v1/openapi.json").send().await.expect(200)
        } else {
            serde_json::to_value(larkspur_server::openapi()).unwrap()
        };
        Self {
            addr,
            engine,
            store,
            contract: Contract::new(document),
            shutdown,
            serving: Some(serving),
            inbox,
            dir,
        }
    }

    /// A request with the admin token.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.addr, method, target).token(ADMIN_TOKEN)
    }

    /// Sends a request to the admin API and holds the answer against the document.
    pub(crate) async fn checked(&self, method: &str, target: &str, call: Call) -> Answer {
        let answer = call.send().await;
        self.contract.check(method, target, &answer);
        answer
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.checked("GET", target, self.call("GET", target)).await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: &Value) -> Answer {
        let call = if body.is_null() {
            self.call(method, target)
        } else {
            self.call(method, target).json(body)
        };
        self.checked(method, target, call).await
    }

    /// Makes an app and answers it with its secrets.
    pub(crate) async fn app(&self, body: &Value) -> Value {
        self.send("POST", "/api/v1/apps", body).await.expect(201)
    }

    /// A custom app that receives these types by webhook in an inbox, with these scopes.
    pub(crate) async fn webhook_app(&self, name: &str, scopes: &Value, types: &Value) -> Value {
        let events = json!({"mode": "webhook", "url": self.inbox_url(name), "types": types});
        self.app(&json!({"name": name, "kind": "custom", "tenants": [TENANT], "scopes": scopes, "events": events}))
            .await
    }

    pub(crate) async fn publish(&self, body: &Value) -> Answer {
        self.send("POST", "/api/v1/events?explain=true", body).await
    }

    pub(crate) fn inbox_url(&self, name: &str) -> String {
        format!("http://{}/inbox/{name}", self.addr)
    }

    /// The bodies that came to an inbox, once there are at least `n`.
    pub(crate) async fn received(&self, name: &str, n: usize) -> Vec<Value> {
        wait_for(&format!("{n} webhooks in `{name}`"), async || {
            let inbox = self.inbox.lock().unwrap();
            let found: Vec<_> = inbox
                .iter()
                .filter(|(to, _)| to == name)
                .map(|(_, body)| body.clone())
                .collect();
            (found.len() >= n).then_some(found)
        })
        .await
    }

    /// Publishes an event to the app and waits until it is settled.
    pub(crate) async fn happen(&self, app: &str, event_type: &str, event_id: &str) {
        let event = json!({"event_type": event_type, "event": {}, "event_id": event_id, "app_id": app});
        self.publish(&event).await.expect(200);
        self.settled().await;
    }

    /// What time it is for the platform.
    pub(crate) async fn now(&self) -> i64 {
        self.get("/api/v1/clock").await.expect(200)["now"].as_i64().unwrap()
    }

    /// Moves the platform's clock.
    pub(crate) async fn advance(&self, seconds: u64) {
        let by = json!({"seconds": seconds});
        self.send("POST", "/api/v1/clock/advance", &by).await.expect(200);
    }

    /// Waits until nothing is pending any more.
    pub(crate) async fn settled(&self) {
        wait_for("no pending delivery", async || {
            let pending = self.get("/api/v1/deliveries?state=pending").await.expect(200);
            pending["items"].as_array().unwrap().is_empty().then_some(())
        })
        .await;
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Answers challenges and keeps everything else.
async fn receive(State(inbox): State<Inbox>, Path(name): Path<String>, body: String) -> String {
    let body: Value = serde_json::from_str(&body).unwrap();
    if body["type"] == "url_verification" {
        return json!({"challenge": body["challenge"]}).to_string();
    }
    inbox.lock().unwrap().push((name, body));
    String::new()
}

/// Asks again until there is an answer.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
