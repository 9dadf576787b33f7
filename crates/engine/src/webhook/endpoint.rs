//! An app's webhook URL, parsed once so that nothing later has to ask whether it can be pushed to.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Uri};
use url::{Host, Url};

/// A URL longer than this is refused; browsers and proxies stop near here too.
const URL_BYTES_MAX: usize = 2_048;

/// An absolute `http` or `https` URL without credentials, ready to be pushed to.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    uri: Uri,
    /// What a request names: path and query.
    target: Uri,
    /// Host, and port unless it is the scheme's own.
    host: HeaderValue,
    /// Scheme, host and port: whoever shares them may share connections.
    origin: Box<str>,
}

impl Endpoint {
    /// Reads a request URL as an administrator types it.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.len() > URL_BYTES_MAX {
            return Err(EndpointError::TooLong { bytes: text.len() });
        }
        let mut url = Url::parse(text.trim()).map_err(EndpointError::not_a_url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme {
                found: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        // A fragment never leaves the client that holds it.
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(EndpointError::not_a_url)?;
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let authority = uri.authority().map_or("", Authority::as_str);
        Ok(Self {
            target: target.parse().map_err(EndpointError::not_a_url)?,
            host: HeaderValue::from_str(authority).map_err(EndpointError::not_a_url)?,
            origin: format!("{}://{authority}", url.scheme()).into(),
            url,
            uri,
        })
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        }
    }

    /// The whole URL, query included.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn target(&self) -> &Uri {
        &self.target
    }

    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

/// URLs that were parsed before; a busy app's is asked for with every push.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Mutex<HashMap<Box<str>, Arc<Endpoint>>>);

/// When more than these are known, all are forgotten.
const KNOWN_MAX: usize = 10_000;

impl Endpoints {
    pub(super) fn get(&self, url: &str) -> Result<Arc<Endpoint>, EndpointError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(url) {
            return Ok(Arc::clone(endpoint));
        }
        let endpoint = Arc::new(Endpoint::parse(url)?);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(url.into(), Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

/// Scheme, host, port and path; the query stays out, since people put secrets there.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        f.write_str(url.split_once('?').map_or(url, |(before, _)| before))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&format_args!("{self}")).finish()
    }
}

/// A text that is no webhook URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It cannot be read as a URL at all.
    #[error("this is not an absolute URL")]
    NotAUrl {
        /// What the parser says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Feishu pushes over HTTP only.
    #[error("the URL's scheme is `{found}`, but it must be http or https")]
    Scheme {
        /// The scheme.
        found: String,
    },
    /// A user name or a password would end up in logs.
    #[error("the URL has a user name or password in it, which is not supported")]
    Credentials,
    /// Nobody needs a URL this long.
    #[error("the URL is {bytes} bytes long, over the limit of {URL_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl EndpointError {
    fn not_a_url(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source = Box::new(source);
        Self::NotAUrl { source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_query_for_the_request_and_hides_it_in_logs() {
        let endpoint = Endpoint::parse(" https://app.example.com:8443/hook?key=s3cret#top ").unwrap();
        assert_eq!(endpoint.as_str(), "https://app.example.com:8443/hook?key=s3cret");
        assert_eq!(endpoint.target().to_string(), "/hook?key=s3cret");
        assert_eq!(endpoint.host_header(), "app.example.com:8443");
        assert_eq!(endpoint.origin(), "https://app.example.com:8443");
        assert_eq!(endpoint.to_string(), "https://app.example.com:8443/hook");
        assert!(!format!("{endpoint:?}").contains("s3cret"));
    }

    #[test]
    fn disguised_addresses_are_seen_as_what_they_are() {
        for (text, host) in [
            ("http://127.1/hook", "127.0.0.1"),
            ("http://0x7f000001/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().host(), host, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_pushed_to_is_refused() {
        assert!(matches!(Endpoint::parse("/hook"), Err(EndpointError::NotAUrl { .. })));
        assert!(matches!(Endpoint::parse("http://"), Err(EndpointError::NotAUrl { .. })));
        assert!(matches!(
            Endpoint::parse("ftp://example.com/"),
            Err(EndpointError::Scheme { .. })
        ));
        assert!(matches!(
            Endpoint::parse("https://me:pw@example.com/"),
            Err(EndpointError::Credentials)
        ));
        let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
        assert!(matches!(Endpoint::parse(&long), Err(EndpointError::TooLong { .. })));
    }
}
