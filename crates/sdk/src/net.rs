//! Ways to the platform: look-up, TCP, proxy, TLS and one HTTP exchange, each step within a time limit.
//!
//! One connector serves every transport, so that a proxy or an authority that is set once counts everywhere.

mod http1;
mod proxy;
mod tcp;
mod tls;
mod way;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::App;

pub use proxy::{Proxy, ProxyError};
pub(crate) use tls::TlsError;
pub(crate) use way::Way;

/// What a connection runs on, with or without TLS and proxies.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// The steps of getting through to the platform, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Finding the addresses of a host.
    Resolve,
    /// Connecting to one of them.
    Connect,
    /// Asking the proxy for a way through.
    Proxy,
    /// Setting TLS up.
    Tls,
    /// Setting TLS up failed on the peer's certificate.
    Certificate,
    /// Sending an HTTP request and reading its answer.
    Exchange,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetError {
    pub(crate) step: Step,
    /// What was tried, and the evidence.
    pub(crate) detail: String,
}

impl NetError {
    fn new(step: Step, detail: String) -> Self {
        Self { step, detail }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for NetError {}

/// Opens connections for one app.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Arc<rustls::ClientConfig>,
    proxy: Option<Proxy>,
    /// Each step may take this long.
    limit: Duration,
}

impl Connector {
    /// A connector with the app's authorities, proxy and time limit.
    pub(crate) fn new(app: &App) -> Result<Self, TlsError> {
        Ok(Self {
            tls: tls::config(app.way.root_certificates.as_deref())?,
            proxy: app.way.proxy.clone(),
            limit: app.way.io_timeout,
        })
    }

    /// Each step may take this long.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// A connection to the URL's host, with TLS when its scheme is `https` or `wss`.
    pub(crate) async fn open(&self, url: &Uri) -> Result<Box<dyn Io>, NetError> {
        let is_secure = matches!(url.scheme_str(), Some("https" | "wss"));
        let Some(host) = url.host() else {
            let detail = "the address has no host".to_owned();
            return Err(NetError::new(Step::Resolve, detail));
        };
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let tcp = match &self.proxy {
            None => tcp::connect(host, port, self.limit).await?,
            Some(proxy) => proxy.tunnel(host, port, self.limit).await?,
        };
        if is_secure {
            self.secure(host, tcp).await
        } else {
            Ok(Box::new(tcp))
        }
    }

    async fn secure(&self, host: &str, tcp: TcpStream) -> Result<Box<dyn Io>, NetError> {
        let fail = |step, detail: String| NetError::new(step, format!("TLS with `{host}` failed: {detail}"));
        let name = ServerName::try_from(bare(host).to_owned());
        let name = name.map_err(|error| fail(Step::Tls, error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        match timeout(self.limit, connector.connect(name, tcp)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) if tls::is_certificate(&error) => Err(fail(Step::Certificate, error.to_string())),
            Ok(Err(error)) => Err(fail(Step::Tls, error.to_string())),
            Err(_) => Err(fail(Step::Tls, late(self.limit))),
        }
    }
}

/// A host without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn late(limit: Duration) -> String {
    format!("no answer within {:.1}s", limit.as_secs_f32())
}
