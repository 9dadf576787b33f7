//! The least that keeps events and pushes them: the floor of what a platform costs.
//!
//! An event, its delivery and when it is due are in one synced commit before the producer is answered; then it is
//! pushed, sealed and signed or over a persistent connection, and the end of it is written down with the next commit. It
//! knows one app, and neither gates nor limits, retries, log, metrics or tokens: what a platform costs beyond it is for
//! those.

mod socket;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use larkspur_wire::endpoint::ENDPOINT_PATH;
use larkspur_wire::envelope::{NewHeader, write_v2};
use larkspur_wire::{AppId, EventId, EventType, Secret, TenantKey, TimestampMs, header, seal_body, sign};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};

use super::{empty, say};
use crate::http::{Connection, request};
use crate::role::load::PUBLISH_PATH;
use socket::Socket;
use store::Store;

/// Pushes under way at once, as many as the platform allows an app by default.
const PUSHES_MAX: usize = 100;

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The database.
    pub(crate) path: PathBuf,
    pub(crate) encrypt_key: String,
    /// Where the one app listens; without it, it connects.
    pub(crate) endpoint: Option<SocketAddr>,
}

struct Bare {
    store: Arc<Store>,
    app_id: AppId,
    token: Secret,
    way: Way,
    pushes: Arc<Semaphore>,
}

/// How events are pushed.
enum Way {
    Webhook(Arc<Webhook>),
    Socket(Socket),
}

struct Webhook {
    encrypt_key: Secret,
    endpoint: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    nonce: AtomicU64,
}

/// What is published, as far as it matters here.
#[derive(Deserialize)]
struct Published<'a> {
    event_id: EventId,
    event_type: EventType,
    tenant_key: TenantKey,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Runs on as many threads as the platform does.
pub(super) fn run(spec: &Spec) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (store, pushes) = (Arc::new(Store::open(&spec.path)?), Arc::new(Semaphore::new(PUSHES_MAX)));
        let way = match spec.endpoint {
            Some(endpoint) => Way::Webhook(Arc::new(Webhook {
                encrypt_key: spec.encrypt_key.as_str().into(),
                endpoint,
                idle: Mutex::default(),
                nonce: AtomicU64::new(0),
            })),
            None => {
                let (store, pushes) = (Arc::clone(&store), Arc::clone(&pushes));
                let taken = move |seq| {
                    store.settle(seq, true);
                    pushes.add_permits(1);
                };
                Way::Socket(Socket::listen(taken).await?)
            }
        };
        let bare = Arc::new(Bare {
            store,
            app_id: AppId::mint([1; 8]),
            token: "the bench's token".into(),
            way,
            pushes,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?)?;
        let router = Router::new()
            .route(PUBLISH_PATH, post(publish))
            .route(ENDPOINT_PATH, post(endpoint))
            .with_state(bare);
        tokio::select! {
            served = axum::serve(listener, router) => Ok(served?),
            ended = empty::until_told() => ended,
        }
    })
}

async fn endpoint(State(bare): State<Arc<Bare>>) -> Result<Vec<u8>, StatusCode> {
    match &bare.way {
        Way::Socket(socket) => Ok(socket.reply()),
        Way::Webhook(_) => Err(StatusCode::NOT_FOUND),
    }
}

async fn publish(State(bare): State<Arc<Bare>>, body: Bytes) -> StatusCode {
    match bare.take(&body).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Bare {
    async fn take(&self, body: &[u8]) -> Result<()> {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events = lines
            .map(serde_json::from_slice)
            .collect::<Result<Vec<Published<'_>>, _>>()?;
        let rows = events
            .iter()
            .map(|event| (event.event_id.to_string(), event.event.get().to_owned()));
        let first = self.store.accept(rows.collect()).await?;
        for (seq, event) in (first..).zip(&events) {
            let permit = Arc::clone(&self.pushes).acquire_owned().await?;
            let envelope = self.envelope(event);
            match &self.way {
                Way::Socket(socket) => {
                    // Its ack gives it back.
                    permit.forget();
                    socket.push(seq, envelope)?;
                }
                Way::Webhook(webhook) => {
                    let (store, webhook) = (Arc::clone(&self.store), Arc::clone(webhook));
                    tokio::spawn(async move {
                        let pushed = webhook.push(&envelope).await;
                        store.settle(seq, pushed.is_ok());
                        drop(permit);
                    });
                }
            }
        }
        Ok(())
    }

    fn envelope(&self, event: &Published<'_>) -> Vec<u8> {
        let header = NewHeader {
            event_id: &event.event_id,
            event_type: &event.event_type,
            create_time: TimestampMs(0),
            token: &self.token,
            app_id: &self.app_id,
            tenant_key: Some(&event.tenant_key),
        };
        write_v2(&header, event.event.get().as_bytes())
    }
}

impl Webhook {
    async fn push(&self, envelope: &[u8]) -> Result<()> {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed).to_string();
        let body = seal_body(envelope, &self.encrypt_key, [7; 16]);
        let signature = sign("0", &nonce, &self.encrypt_key, body.as_ref());
        let extra = format!(
            "content-type: application/json\r\n{}: 0\r\n{}: {nonce}\r\n{}: {signature}\r\n",
            header::TIMESTAMP,
            header::NONCE,
            header::SIGNATURE
        );
        let request = request("POST", "/hook/0", &extra, body.as_ref());
        let idle = self.idle.lock().await.pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.endpoint).await?,
        };
        let answer = connection.exchange(&request).await?;
        self.idle.lock().await.push(connection);
        (answer.status() == 200).then_some(()).context("the push was refused")
    }
}
