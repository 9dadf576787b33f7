//! The client of the admin API.

mod problem;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use larkspur::TimestampMs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use url::{Host, Url};

use crate::failure::{Exit, Failure};
use crate::home::DevFile;

const DEFAULT_URL: &str = "http://127.0.0.1:7070";
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
/// A copy of a large store takes a while before the first byte comes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_hours(1);

/// Which platform to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Platform {
    /// Where the platform is [default: where `larkspur dev` runs, else <http://127.0.0.1:7070>].
    #[arg(long, env = "LARKSPUR_URL", value_parser = platform_url)]
    url: Option<Url>,
    /// An API token [default: the one of `larkspur dev`].
    #[arg(long, env = "LARKSPUR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Certificates (PEM) to trust besides the public authorities.
    #[arg(long, env = "LARKSPUR_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A resource: the segments of its path below `/api/v1`, and the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To<'a>(pub(crate) &'a [&'a str], pub(crate) &'a [(&'a str, &'a str)]);

/// Calls the admin API.
pub(crate) struct Admin {
    base: Url,
    token: Option<String>,
    /// The apps that `dev` made ready, when this is its platform.
    pub(crate) ready_apps: Vec<String>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

fn platform_url(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).context("write it like http://127.0.0.1:7070")?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(anyhow!("write it like http://127.0.0.1:7070")),
    }
}

impl Platform {
    /// Whether it was said which one.
    pub(crate) fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// A client for the platform that was named, or that `dev` runs.
    pub(crate) fn connect(self) -> Result<Admin, Failure> {
        let dev = DevFile::find();
        let dev_url = dev.as_ref().and_then(|dev| dev.url.parse::<Url>().ok());
        // Another platform must not learn the token of this one.
        let is_dev = match (&self.url, &dev_url) {
            (None, _) => true,
            (Some(named), Some(dev)) => is_same_place(named, dev),
            (Some(_), None) => false,
        };
        let default = || DEFAULT_URL.parse().expect("the default is an address");
        let url = self.url.or(dev_url).unwrap_or_else(default);
        let dev = dev.filter(|_| is_dev);
        let ready_apps = dev.iter().flat_map(|dev| &dev.apps).map(|app| app.app_id.clone());
        let ready_apps = ready_apps.collect();
        let token = self.token.or_else(|| dev.map(|dev| dev.admin_token));
        let admin = Admin::new(url, token, self.ca_file.as_deref())?;
        Ok(Admin { ready_apps, ..admin })
    }
}

/// The same address, or two names of this machine with the same port.
fn is_same_place(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
        || (is_loopback(one)
            && is_loopback(other)
            && one.port_or_known_default() == other.port_or_known_default()
            && one.scheme() == other.scheme())
}

/// Whether the address leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl Admin {
    fn new(base: Url, token: Option<String>, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_file)?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            base,
            token,
            ready_apps: Vec::new(),
            http: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    pub(crate) async fn get(&self, to: To<'_>) -> Result<Value, Failure> {
        self.call(Method::GET, to, None).await
    }

    pub(crate) async fn send(&self, method: Method, to: To<'_>, body: &Value) -> Result<Value, Failure> {
        self.call(method, to, Some(body)).await
    }

    pub(crate) async fn delete(&self, to: To<'_>) -> Result<Value, Failure> {
        self.call(Method::DELETE, to, None).await
    }

    /// The answer, or nothing when the platform has no such thing.
    pub(crate) async fn find(&self, method: Method, to: To<'_>) -> Result<Option<Value>, Failure> {
        let response = self.ask(method, to, None, TIMEOUT).await?;
        let is_missing = response.status() == StatusCode::NOT_FOUND;
        match self.read(response).await {
            Ok(answer) => Ok(Some(answer)),
            Err(_) if is_missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What time it is at the platform, whose clock may have been moved.
    pub(crate) async fn now(&self) -> Result<TimestampMs, Failure> {
        let clock = self.find(Method::GET, To(&["clock"], &[])).await?;
        let moved = clock.and_then(|clock| clock["now"].as_i64());
        Ok(moved.map_or_else(crate::platform::now, TimestampMs))
    }

    fn url(&self, To(segments, query): To<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks for something to be made, and writes it to a file as it comes. Answers its size in bytes.
    pub(crate) async fn download(&self, to: To<'_>, file: &mut impl Write) -> Result<u64, Failure> {
        let response = self.ask(Method::POST, to, None, DOWNLOAD_TIMEOUT).await?;
        if !response.status().is_success() {
            return Err(match self.read(response).await {
                Err(failure) => failure,
                Ok(_) => self.stranger(StatusCode::OK),
            });
        }
        let mut bytes = 0;
        let mut body = response.into_body();
        loop {
            let Ok(next) = tokio::time::timeout(TIMEOUT, body.frame()).await else {
                return Err(self.late(TIMEOUT));
            };
            let Some(frame) = next else { return Ok(bytes) };
            let frame = frame.map_err(|error| self.unreachable(error.into()))?;
            let data = frame.into_data().unwrap_or_default();
            file.write_all(&data).context("what came cannot be written")?;
            bytes += data.len() as u64;
        }
    }

    async fn call(&self, method: Method, to: To<'_>, body: Option<&Value>) -> Result<Value, Failure> {
        let response = self.ask(method, to, body, TIMEOUT).await?;
        self.read(response).await
    }

    async fn ask(
        &self,
        method: Method,
        to: To<'_>,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(self.url(to).as_str());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request
            .body(Full::from(body))
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        match tokio::time::timeout(timeout, self.http.request(request)).await {
            Ok(response) => response.map_err(|error| self.unreachable(error.into())),
            Err(_) => Err(self.late(timeout)),
        }
    }

    /// Reads an answer to its end; a problem is a failure.
    async fn read(&self, response: Response<Incoming>) -> Result<Value, Failure> {
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(anyhow!(error)))?.to_bytes();
        let answer = serde_json::from_slice(&body).ok();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            None if status.is_success() && body.is_empty() => Ok(Value::Null),
            Some(problem) if problem["code"].is_string() => Err(self.refused(status, &problem)),
            _ => Err(self.stranger(status)),
        }
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        let stranger = format!("{} answered status {status}, not as a platform does", self.base);
        Failure::msg(Exit::Failed, stranger).with_hint("check --url or LARKSPUR_URL")
    }

    fn late(&self, timeout: Duration) -> Failure {
        let late = format!("{} did not answer within {} s", self.base, timeout.as_secs());
        Failure::msg(Exit::TimedOut, late).with_hint("see whether the platform is well, and try again")
    }

    fn unreachable(&self, error: anyhow::Error) -> Failure {
        let error = error.context(format!("the platform at {} cannot be reached", self.base));
        let text = format!("{error:#}");
        let failure = Failure::new(Exit::Unreachable, error);
        if text.contains("invalid peer certificate") {
            return failure.with_hint("name the authority's certificate with --ca-file or LARKSPUR_CA_FILE");
        }
        failure.with_hint("start one with `larkspur dev`, or name yours with --url or LARKSPUR_URL")
    }

    /// A problem of the platform as a failure of ours.
    fn refused(&self, status: StatusCode, problem: &Value) -> Failure {
        let failure = problem::failure(status, problem);
        match &self.token {
            None if status == StatusCode::UNAUTHORIZED => failure.with_hint(
                "run this in the folder where `larkspur dev` runs, or give a token with --token or LARKSPUR_TOKEN",
            ),
            _ => failure,
        }
    }
}

/// TLS with a provider named here, the public authorities, and those of the file.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_file {
        let wrong = |error: anyhow::Error| {
            Failure::new(
                Exit::Usage,
                error.context(format!("`{}` cannot be used", path.display())),
            )
            .with_hint("--ca-file and LARKSPUR_CA_FILE name a PEM file with certificates")
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.into()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.into()))?;
            roots.add(certificate).map_err(|error| wrong(error.into()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_dev_goes_to_dev_only() {
        let same = |one: &str, other: &str| is_same_place(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("http://127.0.0.1:7070", "http://127.0.0.1:7070/"));
        assert!(same("http://localhost:7070", "http://127.0.0.1:7070"));
        assert!(!same("http://localhost:7071", "http://127.0.0.1:7070"));
        assert!(!same("https://example.com:7070", "http://127.0.0.1:7070"));
    }
}
