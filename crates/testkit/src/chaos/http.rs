//! The HTTP part of the man in the middle: takes requests, and sends them on over a connection of their own.

use std::future::Future;
use std::io;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Larger than anything that either side sends.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the man in the middle ends the connection")]
pub(super) struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<hyper::Error> for Gone {
    fn from(_: hyper::Error) -> Self {
        Self
    }
}

pub(super) type Answer = Response<Full<Bytes>>;

/// A body of one piece.
pub(super) fn whole(body: impl Into<Bytes>) -> BoxBody<Bytes, std::convert::Infallible> {
    Full::new(body.into()).boxed()
}

/// Answers requests until `stop`; with it every connection ends.
pub(super) fn serve<F, Fut>(listener: TcpListener, stop: CancellationToken, pass: F)
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Answer, Gone>> + Send + 'static,
{
    let until_stop = stop.clone();
    let accepting = async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Without it a frame may wait 40 ms for the ack of the one before.
            let _ = tcp.set_nodelay(true);
            let service = service_fn(pass.clone());
            let connection = server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service)
                .with_upgrades();
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(connection).await });
        }
    };
    tokio::spawn(async move { until_stop.run_until_cancelled(accepting).await });
}

/// Sends a request on, unchanged but for the body's form.
pub(super) async fn forward(
    authority: &str,
    request: Request<BoxBody<Bytes, std::convert::Infallible>>,
) -> Result<Response<Incoming>, Gone> {
    let tcp = TcpStream::connect(authority).await?;
    tcp.set_nodelay(true)?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(tcp)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// The whole body.
pub(super) async fn collect(body: Incoming) -> Result<Bytes, Gone> {
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Ok(collected.map_err(|_| Gone)?.to_bytes())
}
