//! Proxies: HTTP CONNECT and SOCKS5. Both speak to the platform through a tunnel, so TLS stays ours from end to end.

use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use larkspur_wire::Secret;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::{NetError, Step, late, tcp};

/// A proxy between us and the platform. No environment variable sets one: a client of a platform on the same machine
/// would be sent to it as well.
///
/// ```
/// use larkspur::Proxy;
/// let proxy = Proxy::parse("http://user:password@proxy.example.com:3128")?;
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// assert_eq!(Proxy::parse("socks5://127.0.0.1:1080")?.to_string(), "socks5://127.0.0.1:1080");
/// # Ok::<(), larkspur::ProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

/// A text that names no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy is no address such as `http://proxy:3128` or `socks5://proxy:1080`: {reason}")]
pub struct ProxyError {
    reason: String,
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port]` (HTTP CONNECT, port 8080 unless given) or
    /// `socks5://[user:password@]host[:port]` (port 1080 unless given; the proxy looks hosts up).
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let refuse = |reason: &str| ProxyError {
            reason: reason.to_owned(),
        };
        let url: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| refuse(&error.to_string()))?;
        let (kind, port) = match url.scheme_str() {
            Some("http") => (Kind::Http, 8080),
            Some("socks5" | "socks5h") => (Kind::Socks5, 1080),
            Some(other) => return Err(refuse(&format!("`{other}` is neither http nor socks5"))),
            None => return Err(refuse("it begins with neither http:// nor socks5://")),
        };
        let host = url
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| refuse("it has no host"))?;
        let user = url
            .authority()
            .and_then(|authority| authority.as_str().rsplit_once('@'));
        let text = |part: &str| percent_decoded(part).ok_or_else(|| refuse("its user is no UTF-8"));
        let credentials = match user.map(|(user, _)| user.split_once(':').unwrap_or((user, ""))) {
            None => None,
            Some((user, password)) => Some((text(user)?, Secret::from(text(password)?))),
        };
        Ok(Self {
            kind,
            host: host.to_owned(),
            port: url.port_u16().unwrap_or(port),
            credentials,
        })
    }

    /// A connection to a host by way of the proxy.
    pub(super) async fn tunnel(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, NetError> {
        let fail =
            |why: String| NetError::new(Step::Proxy, format!("the proxy {self} gives no way to `{host}`: {why}"));
        let open = Open(Some(TokioIo::new(tcp::connect(&self.host, self.port, limit).await?)));
        let target: Uri = format!("http://{host}:{port}/")
            .parse()
            .map_err(|error: http::uri::InvalidUri| fail(error.to_string()))?;
        let proxy = Uri::from_static("http://proxy.invalid/");
        let tunnelled = match self.kind {
            Kind::Http => {
                let mut tunnel = Tunnel::new(proxy, open);
                if let Some(authorization) = self.basic() {
                    tunnel = tunnel.with_auth(authorization);
                }
                timeout(limit, tunnel.call(target))
                    .await
                    .map(|done| done.map_err(|error| error.to_string()))
            }
            Kind::Socks5 => {
                let mut socks = SocksV5::new(proxy, open);
                if let Some((user, password)) = &self.credentials {
                    socks = socks.with_auth(user.clone(), password.expose().to_owned());
                }
                timeout(limit, socks.call(target))
                    .await
                    .map(|done| done.map_err(|error| error.to_string()))
            }
        };
        match tunnelled {
            Ok(Ok(io)) => Ok(io.into_inner()),
            Ok(Err(why)) => Err(fail(why)),
            Err(_) => Err(fail(late(limit))),
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let encoded = BASE64.encode(format!("{user}:{}", password.expose()));
        HeaderValue::try_from(format!("Basic {encoded}")).ok()
    }
}

impl fmt::Display for Proxy {
    /// Its address; user and password are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The library's tunnels open their own connection to the proxy; ours is open already, within its own time limit.
struct Open(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Open {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| std::io::ErrorKind::NotConnected.into()))
    }
}

/// User and password stand percent-encoded in a URL.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| byte == b'%');
        let escaped = escaped.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_kind_a_host_a_port_and_perhaps_a_user() {
        let proxy = Proxy::parse("socks5h://me%40corp:a%3Ab@[::1]").unwrap();
        assert!(proxy.kind == Kind::Socks5 && proxy.port == 1080);
        let (user, password) = proxy.credentials.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("me@corp", "a:b"));
        assert_eq!(Proxy::parse("http://127.0.0.1").unwrap().port, 8080);
        assert_eq!(Proxy::parse("http://127.0.0.1:80").unwrap().port, 80);
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for wrong in ["127.0.0.1:3128", "https://proxy:3128", "socks4://proxy", "http://"] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn user_and_password_are_not_printed() {
        let proxy = Proxy::parse("http://hidden:secret@proxy:3128").unwrap();
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://proxy:3128 Proxy(http://proxy:3128)"
        );
    }
}
