//! Opening a connection: the endpoint's URL first, then the WebSocket handshake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use larkspur_wire::endpoint::{
    ClientConfig, ENDPOINT_BYTES_MAX, ENDPOINT_PATH, EndpointReply, EndpointRequest, connection_of,
};
use larkspur_wire::header::{HANDSHAKE_AUTHERRCODE, HANDSHAKE_MSG, HANDSHAKE_STATUS};
use larkspur_wire::{Secret, code};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use super::{ConnectError, tls};
use crate::app::App;

/// The endpoint may take this long to answer.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(15);
/// Connecting and both handshakes may take this long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// A fragment of the largest size that was seen, and as much again.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a WebSocket runs on, with or without TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// An open connection.
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) config: ClientConfig,
    /// Its name in logs.
    pub(super) name: String,
    /// Goes into pings.
    pub(super) service: i32,
}

/// No connection.
#[derive(Debug, PartialEq)]
pub(super) enum DialError {
    /// Trying again would not help.
    Fatal { code: i64, msg: String },
    /// It may.
    Retry(String),
}

/// Opens connections of one app.
pub(super) struct Dialer {
    app: App,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    tls: Arc<rustls::ClientConfig>,
}

impl Dialer {
    pub(super) fn new(app: &App) -> Result<Self, ConnectError> {
        let tls = tls::config(app.root_certificates.as_deref())?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config((*tls).clone())
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            app: app.clone(),
            http: Client::builder(TokioExecutor::new()).build(connector),
            tls,
        })
    }

    pub(super) async fn dial(&self) -> Result<Connection, DialError> {
        let (url, config) = timeout(ENDPOINT_TIMEOUT, self.ask())
            .await
            .map_err(|_| DialError::Retry("the endpoint did not answer in time".to_owned()))??;
        let (name, service) = connection_of(url.expose());
        let name = name.unwrap_or("unnamed").to_owned();
        let socket = timeout(HANDSHAKE_TIMEOUT, self.handshake(&url))
            .await
            .map_err(|_| DialError::Retry("the handshake took too long".to_owned()))??;
        Ok(Connection {
            socket,
            config,
            name,
            service,
        })
    }

    async fn ask(&self) -> Result<(Secret, ClientConfig), DialError> {
        let retry = |what: &str, error: &dyn std::fmt::Display| DialError::Retry(format!("{what}: {error}"));
        let request = Request::post(self.app.domain.join(ENDPOINT_PATH))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(header::USER_AGENT, concat!("larkspur/", env!("CARGO_PKG_VERSION")))
            .header("locale", "zh")
            .body(Full::from(EndpointRequest::write(&self.app.id, &self.app.secret)))
            .map_err(|error| retry("the domain is no address", &error))?;
        let asked = self.http.request(request).await;
        let response = asked.map_err(|error| retry("the endpoint cannot be reached", &ErrorChain(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ENDPOINT_BYTES_MAX).collect().await;
        let body = body
            .map_err(|error| retry("the endpoint's answer cannot be read", &error))?
            .to_bytes();
        if !status.is_success() {
            return Err(DialError::Retry(format!("the endpoint answered status {status}")));
        }
        match EndpointReply::parse(&body).map_err(|error| retry("the endpoint's answer is not JSON", &error))? {
            EndpointReply::Connect { url, config } => Ok((url, config)),
            EndpointReply::Refused { code, msg } => Err(classify(code, msg)),
        }
    }

    async fn handshake(&self, url: &Secret) -> Result<Socket, DialError> {
        let parsed: Uri = url
            .expose()
            .parse()
            .map_err(|error| DialError::Retry(format!("the URL is wrong: {error}")))?;
        let Some(host) = parsed.host() else {
            return Err(DialError::Retry("the URL has no host".to_owned()));
        };
        let secure = parsed.scheme_str() == Some("wss");
        let port = parsed.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let failed = |error: std::io::Error| DialError::Retry(format!("cannot connect to {host}:{port}: {error}"));
        let tcp = TcpStream::connect((bare, port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let io: Box<dyn Io> = if secure {
            let name = ServerName::try_from(bare.to_owned())
                .map_err(|error| DialError::Retry(format!("`{bare}` is no name for TLS: {error}")))?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
            Box::new(connector.connect(name, tcp).await.map_err(failed)?)
        } else {
            Box::new(tcp)
        };
        let config = tungstenite::protocol::WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        match tokio_tungstenite::client_async_with_config(url.expose(), io, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(refused(response.status(), response.headers())),
            Err(error) => Err(DialError::Retry(format!("the handshake failed: {error}"))),
        }
    }
}

fn refused(status: http::StatusCode, headers: &http::HeaderMap) -> DialError {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name| text(name).and_then(|text| text.parse::<i64>().ok());
    let msg = text(HANDSHAKE_MSG).unwrap_or("no reason given").to_owned();
    match (number(HANDSHAKE_STATUS), number(HANDSHAKE_AUTHERRCODE)) {
        (Some(code::FORBIDDEN), _) => DialError::Fatal {
            code: code::FORBIDDEN,
            msg,
        },
        (Some(code::AUTH_FAILED), Some(code::EXCEED_CONN_LIMIT)) => DialError::Fatal {
            code: code::EXCEED_CONN_LIMIT,
            msg,
        },
        _ => DialError::Retry(format!("the handshake was refused with status {status}: {msg}")),
    }
}

fn classify(code: i64, msg: String) -> DialError {
    match code::class(code) {
        code::Class::Fatal => DialError::Fatal { code, msg },
        code::Class::Retry | code::Class::Ok => DialError::Retry(format!("the endpoint answered code {code} ({msg})")),
    }
}

/// An error with its sources, since the client's own message says only that connecting failed.
struct ErrorChain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(headers: &[(&'static str, &'static str)]) -> DialError {
        let headers = headers.iter().map(|(name, value)| {
            (
                name.to_lowercase().parse().unwrap(),
                http::HeaderValue::from_static(value),
            )
        });
        refused(http::StatusCode::FORBIDDEN, &headers.collect())
    }

    #[test]
    fn a_refused_handshake_is_fatal_only_where_the_official_clients_stop() {
        let fatal = |error| matches!(error, DialError::Fatal { .. });
        assert!(fatal(handshake(&[
            ("Handshake-Status", "403"),
            ("Handshake-Msg", "no")
        ])));
        let limit = [
            ("Handshake-Status", "514"),
            ("Handshake-Msg", "no"),
            ("Handshake-Autherrcode", "1000040350"),
        ];
        assert!(fatal(handshake(&limit)));
        assert!(!fatal(handshake(&[
            ("Handshake-Status", "514"),
            ("Handshake-Msg", "no")
        ])));
        assert!(!fatal(handshake(&[])));
    }

    #[test]
    fn endpoint_codes_are_fatal_or_worth_another_try() {
        for (code, fatal) in [
            (1, false),
            (1_000_040_343, false),
            (403, true),
            (514, true),
            (1_000_040_345, true),
        ] {
            assert_eq!(
                matches!(classify(code, String::new()), DialError::Fatal { .. }),
                fatal,
                "{code}"
            );
        }
    }
}
