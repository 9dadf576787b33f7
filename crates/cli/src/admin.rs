//! The client of the admin API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::home::DevFile;

const DEFAULT_URL: &str = "http://127.0.0.1:7070";
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which platform to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Platform {
    /// Where the platform is [default: where `larkspur dev` runs, else <http://127.0.0.1:7070>].
    #[arg(long, env = "LARKSPUR_URL")]
    url: Option<String>,
    /// An API token [default: the one of `larkspur dev`].
    #[arg(long, env = "LARKSPUR_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Calls the admin API.
pub(crate) struct Admin {
    base: String,
    token: Option<String>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Platform {
    /// A client for the platform that was named, or that `dev` runs.
    pub(crate) fn connect(self) -> Result<Admin, Failure> {
        let dev = DevFile::find();
        let url = self
            .url
            .or_else(|| dev.as_ref().map(|dev| dev.url.clone()))
            .unwrap_or_else(|| DEFAULT_URL.to_owned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots((*provider).clone())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Admin {
            base: url.trim_end_matches('/').to_owned(),
            token: self.token.or_else(|| dev.map(|dev| dev.admin_token)),
            http: Client::builder(TokioExecutor::new()).build(connector),
        })
    }
}

impl Admin {
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(method, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.base));
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
        let unreachable = |error: anyhow::Error| {
            Failure::new(
                Exit::Unreachable,
                error.context(format!("the platform at {} cannot be reached", self.base)),
            )
            .hint("start one with `larkspur dev`, or name yours with --url or LARKSPUR_URL")
        };
        let answered = tokio::time::timeout(TIMEOUT, self.http.request(request)).await;
        let response = match answered {
            Ok(response) => response.map_err(|error| unreachable(error.into()))?,
            Err(_) => {
                return Err(Failure::msg(
                    Exit::TimedOut,
                    format!("no answer within {} s", TIMEOUT.as_secs()),
                ));
            }
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| unreachable(anyhow!(error)))?.to_bytes();
        let answer = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap_or(Value::Null)
        };
        if status.is_success() {
            Ok(answer)
        } else {
            Err(refused(status, &answer))
        }
    }
}

/// A problem of the platform as a failure of ours.
fn refused(status: StatusCode, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str().map(str::to_owned);
    let mut detail = text("detail").unwrap_or_else(|| format!("the platform answered status {status}"));
    for error in problem["errors"].as_array().into_iter().flatten() {
        let (path, expected, found) = (&error["path"], &error["expected"], &error["found"]);
        detail.push_str(&format!("\n  {path} should be {expected}, and is {found}"));
    }
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
        _ => Exit::Failed,
    };
    let failure = Failure::msg(exit, detail);
    match text("hint") {
        Some(hint) => failure.hint(hint),
        None if exit == Exit::NotAllowed => failure.hint("give a token with --token or LARKSPUR_TOKEN"),
        None => failure,
    }
}
