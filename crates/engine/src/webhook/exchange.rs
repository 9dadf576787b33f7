//! One bounded exchange with an endpoint: request out, head back, and as much of the answer as is wanted.
//!
//! No redirects, no proxy, no decompression, and one deadline over everything, so that a hostile endpoint can waste
//! only the time it was given.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::{Sleep, sleep};

use super::Endpoint;
use super::connector::{ConnectError, Connector, Reach};
use super::lookup::Lookups;
use super::pool::{BoxError, Client, Connection};
use crate::counters::count;

/// Two pools of connections, so that one opened for an app that may reach private addresses serves no other app.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    public: Client,
    anywhere: Client,
    answer_bytes_max: usize,
    answers_cut: Arc<AtomicU64>,
}

/// The webhook client could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookSetupError {
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up")]
    Tls {
        /// What the TLS library says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file of additional root certificates cannot be read.
    #[error("the root certificates in `{}` cannot be read", path.display())]
    RootsFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The additional root certificates are none.
    #[error("the additional root certificates are not certificates in PEM")]
    Roots {
        /// What the parser says.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Exchange {
    pub(super) fn new(
        connect_timeout: Duration,
        answer_bytes_max: usize,
        root_pem: Option<&[u8]>,
    ) -> Result<Self, WebhookSetupError> {
        let tls = tls(root_pem)?;
        let lookups = Arc::<Lookups>::default();
        let client = |reach| {
            Client::new(
                tls.clone(),
                Connector {
                    reach,
                    timeout: connect_timeout,
                    lookups: Arc::clone(&lookups),
                },
            )
        };
        Ok(Self {
            public: client(Reach::Public),
            anywhere: client(Reach::Anywhere),
            answer_bytes_max,
            answers_cut: Arc::default(),
        })
    }

    pub(super) async fn send(
        &self,
        reach: Reach,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Answer, ExchangeError> {
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Anywhere => &self.anywhere,
        };
        let mut deadline = pin!(sleep(timeout));
        let sent = {
            let sending = pin!(client.send(endpoint, request));
            before(deadline.as_mut(), sending).await
        };
        let (mut connection, response) = match sent {
            Some(sent) => sent.map_err(ExchangeError::Failed)?,
            None => return Err(ExchangeError::TimedOut { after: timeout }),
        };
        let answer = Answer::read(&mut connection, response, self.answer_bytes_max, deadline).await;
        if answer.cut_off || answer.goes_on {
            count(&self.answers_cut);
        } else {
            client.keep(endpoint, connection);
        }
        Ok(answer)
    }

    /// How many answers were not read to their end.
    pub(super) fn answers_cut(&self) -> u64 {
        self.answers_cut.load(Ordering::Relaxed)
    }
}

/// What comes of it, or nothing when the deadline comes first. It is borrowed, here and in [`Connection::until`], because
/// an async function has room for a future that it is given twice, and thousands of pushes may be on their way.
async fn before<T>(deadline: Pin<&mut Sleep>, what: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    tokio::select! {
        biased;
        done = what => Some(done),
        () = deadline => None,
    }
}

/// TLS with a provider named here: a global one may be missing, or set by somebody else to another.
fn tls(root_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, WebhookSetupError> {
    let mut roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    for certificate in CertificateDer::pem_slice_iter(root_pem.unwrap_or_default()) {
        let certificate = certificate.map_err(|source| WebhookSetupError::Roots {
            source: Box::new(source),
        })?;
        roots.add(certificate).map_err(|source| WebhookSetupError::Roots {
            source: Box::new(source),
        })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| WebhookSetupError::Tls {
            source: Box::new(source),
        })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What an endpoint answered, as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
    /// Whether the deadline or the endpoint cut the body off.
    pub(super) cut_off: bool,
    /// Whether the body goes on where reading stopped.
    pub(super) goes_on: bool,
}

impl Answer {
    /// Reads until the body ends, is large enough, or the deadline comes; what is not read is thrown away with the
    /// connection.
    async fn read(
        connection: &mut Connection,
        response: Response<Incoming>,
        bytes_max: usize,
        mut deadline: Pin<&mut Sleep>,
    ) -> Self {
        let location = response.headers().get(header::LOCATION);
        let mut answer = Self {
            status: response.status().as_u16(),
            location: location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            body: Bytes::new(),
            cut_off: false,
            goes_on: false,
        };
        let mut body = response.into_body();
        let mut read = BytesMut::new();
        while read.len() < bytes_max {
            let frame = {
                let frame = pin!(body.frame());
                let coming = pin!(connection.until(frame));
                before(deadline.as_mut(), coming).await
            };
            match frame {
                Some(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    let wanted = data.len().min(bytes_max - read.len());
                    read.extend_from_slice(&data[..wanted]);
                    answer.goes_on = wanted < data.len() || (read.len() == bytes_max && !body.is_end_stream());
                }
                Some(None) => break,
                Some(Some(Err(_))) | None => {
                    answer.cut_off = true;
                    break;
                }
            }
        }
        answer.body = read.freeze();
        answer
    }
}

/// No answer came.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The whole exchange took too long.
    TimedOut {
        after: Duration,
    },
    Failed(BoxError),
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Cause<'a> {
    TimedOut {
        after: Duration,
    },
    Connect(&'a ConnectError),
    Tls(&'a rustls::Error),
    /// The endpoint hung up before it answered.
    Closed,
    /// What came is not HTTP/1.1, or its head is too large.
    NotHttp,
    Other(&'a (dyn Error + Send + Sync)),
}

impl ExchangeError {
    pub(super) fn cause(&self) -> Cause<'_> {
        let error = match self {
            Self::TimedOut { after } => return Cause::TimedOut { after: *after },
            Self::Failed(error) => &**error,
        };
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(link) = next {
            if let Some(connect) = link.downcast_ref::<ConnectError>() {
                return Cause::Connect(connect);
            }
            if let Some(tls) = link.downcast_ref::<rustls::Error>() {
                return Cause::Tls(tls);
            }
            if let Some(http) = link.downcast_ref::<hyper::Error>() {
                match http {
                    http if http.is_parse() || http.is_parse_too_large() => return Cause::NotHttp,
                    http if http.is_incomplete_message() || http.is_canceled() || http.is_closed() => {
                        return Cause::Closed;
                    }
                    _ => {}
                }
            }
            let io = link.downcast_ref::<io::Error>();
            if io.is_some_and(|io| matches!(io.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)) {
                return Cause::Closed;
            }
            // An I/O error hides the error that it wraps from `source`.
            next = match io.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => link.source(),
            };
        }
        Cause::Other(error)
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause() {
            Cause::TimedOut { after } => write!(f, "no answer within {} ms", after.as_millis()),
            Cause::Connect(error) => error.fmt(f),
            Cause::Tls(error) => write!(f, "TLS failed: {error}"),
            Cause::Closed => f.write_str("the endpoint closed the connection without an answer"),
            Cause::NotHttp => f.write_str("what the endpoint answered is not HTTP/1.1"),
            Cause::Other(error) => fmt::Display::fmt(error, f),
        }
    }
}
