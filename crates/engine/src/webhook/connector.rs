//! Opens TCP connections to endpoints: resolve, guard each address, connect, all within the connect timeout.
//!
//! The guard sits here because only here the real socket address is known.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::guard;
use super::lookup::Lookups;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of the public internet.
    Public,
    /// All of them.
    Anywhere,
}

/// Connects for the HTTP client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) reach: Reach,
    pub(super) timeout: Duration,
    pub(super) lookups: Arc<Lookups>,
}

/// No connection to an endpoint could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ConnectError {
    #[error("the URL has no host")]
    NoHost,
    #[error("`{host}` cannot be resolved: {error}")]
    Unresolved { host: String, error: io::Error },
    #[error("`{host}` has the address {address}, which is {why}")]
    Refused {
        host: String,
        address: IpAddr,
        why: &'static str,
    },
    #[error("connecting to {address} failed: {error}")]
    Unreachable { address: SocketAddr, error: io::Error },
    #[error("no connection within {} ms", .after.as_millis())]
    TimedOut { after: Duration },
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri
            .port_u16()
            .unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let deadline = Instant::now() + self.timeout;
        let timed_out = || ConnectError::TimedOut { after: self.timeout };

        let resolving = self.resolve(host, port);
        let addresses = timeout_at(deadline, resolving).await.map_err(|_| timed_out())??;
        let addresses = self.allowed(host, addresses)?;
        let mut failure = timed_out();
        for (idx, address) in addresses.iter().enumerate() {
            // Each address gets its share of the time left, so that one that swallows packets leaves some to the next.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - idx).unwrap_or(u32::MAX);
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    failure = ConnectError::Unreachable {
                        address: *address,
                        error,
                    }
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }

    /// The addresses of a host, IPv4 first, since Feishu itself pushes over IPv4 only.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let unresolved = |error| ConnectError::Unresolved {
            host: host.to_owned(),
            error,
        };
        let mut addresses = self.lookups.addresses(host, port).await.map_err(unresolved)?;
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            return Err(unresolved(io::Error::from(io::ErrorKind::NotFound)));
        }
        Ok(addresses)
    }

    /// The addresses that pass the guard; an error when none does.
    fn allowed(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
        if self.reach == Reach::Anywhere {
            return Ok(addresses);
        }
        let mut refused = None;
        let mut allowed = Vec::with_capacity(addresses.len());
        for address in addresses {
            match guard::refusal(address.ip()) {
                None => allowed.push(address),
                Some(why) => refused = Some((address.ip(), why)),
            }
        }
        match refused {
            Some((address, why)) if allowed.is_empty() => Err(ConnectError::Refused {
                host: host.to_owned(),
                address,
                why,
            }),
            _ => Ok(allowed),
        }
    }
}

/// At most this many addresses of one name are tried.
const ADDRESSES_MAX: usize = 8;

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let stream = connector.connect(uri).await?;
            // A push is one write; waiting for more of it would only delay it. Failing to say so is harmless.
            let _ = stream.set_nodelay(true);
            Ok(TokioIo::new(stream))
        })
    }
}
