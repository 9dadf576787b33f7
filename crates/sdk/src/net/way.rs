//! What an app sets about the way to its platform.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Proxy;
use crate::app::App;

/// Each step may take this long, unless it is set. Python's SDK has no limit at all, and was deaf for days.
const IO_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries are at least and at most this far apart, unless it is set.
const RECONNECT_WAITS: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_mins(5);

/// See the setters of [`App`].
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) io_timeout: Duration,
    pub(crate) reconnect_waits: RangeInclusive<Duration>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            root_certificates: None,
            proxy: None,
            io_timeout: IO_TIMEOUT,
            reconnect_waits: RECONNECT_WAITS,
        }
    }
}

impl App {
    /// A file of certificates (PEM) to trust besides the public authorities, for a platform or a proxy with one of its
    /// own.
    pub fn root_certificates(mut self, pem: impl Into<PathBuf>) -> Self {
        self.way.root_certificates = Some(pem.into());
        self
    }

    /// A proxy to reach the platform through.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.way.proxy = Some(proxy);
        self
    }

    /// How long each step of getting through to the platform may take, 10 s unless it is set: finding an address,
    /// connecting, the proxy, TLS, the look-up, the handshake, writing.
    pub fn io_timeout(mut self, limit: Duration) -> Self {
        self.way.io_timeout = limit;
        self
    }

    /// How far apart tries to connect are at least and at most, 250 ms to 5 min unless it is set. In between, the
    /// platform says when to come back.
    pub fn reconnect_waits(mut self, waits: RangeInclusive<Duration>) -> Self {
        self.way.reconnect_waits = waits;
        self
    }
}
