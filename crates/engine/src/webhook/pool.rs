//! Connections to endpoints, kept for the next push.
//!
//! A push polls its connection itself, and nobody polls one that is idle: a task for each connection would be two more to
//! wake for every push.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service;

use super::Endpoint;
use super::connector::Connector;

/// Node's server closes a connection that was idle for 5 s; a push on one that is just closing would be lost.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// How often connections that were idle for too long are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Idle connections kept to one origin: as many as pushes are on their way to an app by default, and some more. With
/// fewer, a busy app's connections would be closed after one push and opened again for the next.
const IDLE_PER_ORIGIN_MAX: usize = 128;
/// The head of an answer may be this large.
const HEAD_BYTES_MAX: usize = 64 * 1024;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections to whom it may, and keeps them.
#[derive(Clone, Debug)]
pub(super) struct Client {
    connector: HttpsConnector<Connector>,
    pool: Pool,
}

impl Client {
    pub(super) fn new(tls: rustls::ClientConfig, connector: Connector) -> Self {
        Self {
            connector: HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_or_http()
                .enable_http1()
                .wrap_connector(connector),
            pool: Pool::default(),
        }
    }

    /// Sends a request over a connection that is there, or over a new one.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), BoxError> {
        loop {
            let (mut connection, is_new) = match self.pool.take(endpoint.origin()) {
                Some(kept) => (kept, false),
                // Rare, and large: in a box, since what a push may wait for is moved around with it.
                None => (Box::pin(self.open(endpoint)).await?, true),
            };
            let answer = pin!(connection.sender.try_send_request(request));
            let mut failed = match connection.until(answer).await {
                Ok(response) => return Ok((connection, response)),
                Err(failed) => failed,
            };
            // The other end may have closed it just now.
            match failed.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(failed.into_error().into()),
            }
        }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Connection, BoxError> {
        let stream = self.connector.clone().call(endpoint.uri().clone()).await?;
        Ok(Connection::over(stream).await?)
    }

    /// Keeps a connection for the next request, when its answer was read to the end.
    pub(super) fn keep(&self, endpoint: &Endpoint, connection: Connection) {
        self.pool.put(endpoint.origin(), connection);
    }
}

/// A connection that carries one exchange at a time.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended. In a box, since it is large, and a connection changes hands with every push.
    driver: Option<Box<http1::Connection<Stream, Full<Bytes>>>>,
}

impl Connection {
    async fn over(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            // The documentation spells the signature headers in title case.
            .title_case_headers(true)
            .handshake(stream)
            .await?;
        let driver = Some(Box::new(driver));
        Ok(Self { sender, driver })
    }

    /// Waits for something that comes over the connection.
    pub(super) async fn until<T>(&mut self, mut what: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|cx| {
            self.drive(cx);
            what.as_mut().poll(cx)
        })
        .await
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Whether the last exchange is over and the other end is still there.
    fn is_idle(&mut self) -> bool {
        // Whoever uses it next says whom to wake.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Idle connections by origin, the newest last.
type Idle = HashMap<Box<str>, Vec<(Instant, Connection)>>;

#[derive(Default)]
struct Shared {
    idle: Idle,
    /// Whether a task looks for those that were idle for too long.
    swept: bool,
}

/// Keeps idle connections.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Shared>>);

impl Pool {
    /// A connection to this origin that takes a request.
    fn take(&self, origin: &str) -> Option<Connection> {
        loop {
            let (since, mut connection) = lock(&self.0).idle.get_mut(origin)?.pop()?;
            if since.elapsed() < IDLE_MAX && connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, if another request can go over it.
    fn put(&self, origin: &str, mut connection: Connection) {
        if !connection.is_idle() {
            return;
        }
        let mut shared = lock(&self.0);
        let kept = match shared.idle.get_mut(origin) {
            Some(kept) => kept,
            None => shared.idle.entry(origin.into()).or_default(),
        };
        if kept.len() < IDLE_PER_ORIGIN_MAX {
            kept.push((Instant::now(), connection));
        }
        if !std::mem::replace(&mut shared.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes what was idle for too long, until nothing is left or the pool is gone.
async fn sweep(pool: Weak<Mutex<Shared>>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let mut shared = lock(&pool);
        shared.idle.retain(|_, kept| {
            kept.retain(|(since, _)| since.elapsed() < IDLE_MAX);
            !kept.is_empty()
        });
        if shared.idle.is_empty() {
            shared.swept = false;
            return;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
