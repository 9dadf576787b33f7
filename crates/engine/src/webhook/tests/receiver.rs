//! Receivers to push to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Arrived {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An HTTP server that answers each request by a function.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    pub(super) arrived: mpsc::UnboundedReceiver<Arrived>,
}

impl Receiver {
    pub(super) async fn start(answer: impl Fn(&Arrived) -> Response<String> + Clone + Send + Sync + 'static) -> Self {
        Self::start_with(answer, None).await
    }

    /// Answers every request with this status and body.
    pub(super) async fn answering(status: u16, body: &'static str) -> Self {
        Self::start(move |_| Response::builder().status(status).body(body.to_owned()).unwrap()).await
    }

    /// A server with TLS when a configuration is given.
    pub(super) async fn start_with(
        answer: impl Fn(&Arrived) -> Response<String> + Clone + Send + Sync + 'static,
        tls: Option<rustls::ServerConfig>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Unbounded, since a test sends a handful of requests.
        let (seen, arrived) = mpsc::unbounded_channel();
        let tls = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, tls) = (answer.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answer, seen).await,
                        // A client that does not trust us hangs up.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, arrived }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?key=1", self.address)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(&Arrived) -> Response<String>,
    seen: mpsc::UnboundedSender<Arrived>,
) {
    let service = service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let arrived = Arrived {
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            body,
        };
        let response = answer(&arrived).map(Full::<Bytes>::from);
        let _ = seen.send(arrived);
        Ok::<_, Infallible>(response)
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A server that reads one read's worth of a request and then does with the connection as it likes.
pub(super) async fn raw<F>(misbehave: impl Fn(TcpStream, Vec<u8>) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let Ok(n_bytes) = stream.read(&mut request).await else {
                continue;
            };
            request.truncate(n_bytes);
            tokio::spawn(misbehave(stream, request));
        }
    });
    address
}
