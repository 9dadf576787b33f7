//! The listener: accepts connections, bounded in number and in patience, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use larkspur_engine::Engine;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::api::probe;
use crate::problem::Refused;
use crate::server::{Connection, Server};
use crate::{ServerConfig, Tls, routes};

/// A request's head must be complete within this time, which is also how long an idle connection is kept.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// A request's head may be this large; URLs and headers of the official SDKs stay below 2 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A TLS handshake takes two round trips; a client that needs longer is not coming.
const TLS_DEADLINE: Duration = Duration::from_secs(10);

/// When the process is out of file descriptors, trying again at once only burns the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the platform on this listener until `shutdown`, then lets requests under way end, as long as the engine's
/// grace lasts, and returns.
///
/// Sessions belong to the engine: they end with [`Engine::shutdown`], not here.
///
/// # Errors
///
/// When the API tokens cannot be read from the store.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    engine: Engine,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let server = Arc::new(Server::start(engine, &config).await.map_err(io::Error::other)?);
    let http = Http {
        router: routes::router(Arc::clone(&server), config.mount),
        server: Arc::clone(&server),
        tls,
        stopping: shutdown,
    };
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    loop {
        let next = async {
            let slot = Arc::clone(&server.slots)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = http.stopping.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection {
                    peer,
                    secure: http.tls.is_some(),
                    slot: Arc::new(slot),
                };
                let (http, abort) = (http.clone(), abort.clone());
                connections.spawn(async move { abort.run_until_cancelled(http.connection(stream, connection)).await });
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                server.count_accept_failed();
                tracing::warn!(%error, "could not accept a connection; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(server.engine.grace_left(), connections.wait()).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "requests were still under way when the server stopped"
        );
        abort.cancel();
        connections.wait().await;
    }
    Ok(())
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Speaks HTTP on accepted connections.
#[derive(Clone)]
struct Http {
    router: Router,
    server: Arc<Server>,
    tls: Option<Tls>,
    stopping: CancellationToken,
}

impl Http {
    async fn connection(self, stream: TcpStream, connection: Connection) {
        let peer = connection.peer;
        // Frames and answers are small and whole; waiting to join them only delays.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.requests(stream, connection).await;
        };
        match timeout(TLS_DEADLINE, tls.acceptor().accept(stream)).await {
            // In a box, so that connections without TLS need no room for it.
            Ok(Ok(stream)) => Box::pin(self.requests(stream, connection)).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn requests<IO>(&self, io: IO, connection: Connection)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = connection.peer;
        // In a box: what a request needs is some kilobytes, and an idle connection needs none of it.
        let service = service_fn(|request| Box::pin(self.answer(request, &connection)));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = self.stopping.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            if error.is_parse() || error.is_parse_too_large() {
                self.server.count_malformed();
            }
            log_broken(peer, &error);
        }
    }

    /// Refuses foreign hosts and origins but for probes, and counts what is refused here or further in.
    async fn answer(&self, request: Request<Incoming>, connection: &Connection) -> Result<Response, Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        if let Some(uri) = without_double_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        let router = self.router.clone();
        if probe::PATHS.contains(&request.uri().path()) {
            return router.oneshot(request).await;
        }
        let response = match self.server.guard(request.headers()) {
            Ok(()) => router.oneshot(request).await?,
            Err(problem) => problem.into_response(),
        };
        if let Some(Refused(code)) = response.extensions().get() {
            self.server.count_refusal(code);
        }
        Ok(response)
    }
}

fn log_broken(peer: SocketAddr, error: &hyper::Error) {
    tracing::debug!(%peer, error = %crate::problem::chain(error), "a connection broke");
}

/// SDKs given a domain with a trailing slash ask for `//callback/ws/endpoint`, which means one slash.
fn without_double_slash(uri: &Uri) -> Option<Uri> {
    let text = uri.path_and_query()?.as_str();
    let rest = text.strip_prefix("//")?;
    format!("/{}", rest.trim_start_matches('/')).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_slashes_become_one() {
        let fixed = |text: &str| without_double_slash(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            fixed("//callback/ws/endpoint?a=//b").as_deref(),
            Some("/callback/ws/endpoint?a=//b")
        );
        assert_eq!(fixed("/callback//ws"), None);
    }
}
