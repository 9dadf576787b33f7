//! Opening a connection: the look-up of a URL at the endpoint first, then the WebSocket handshake.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Uri};
use larkspur_wire::endpoint::{
    ClientConfig, ENDPOINT_BYTES_MAX, ENDPOINT_PATH, EndpointReply, EndpointRequest, connection_of,
};
use larkspur_wire::header::{HANDSHAKE_AUTHERRCODE, HANDSHAKE_MSG, HANDSHAKE_STATUS};
use larkspur_wire::{Secret, code};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

use super::error::ConnectError;
use super::trouble::Trouble;
use crate::app::{App, Domain};
use crate::net::{Connector, Io};

/// A fragment of the largest size that was seen, and as much again.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is read at once: a few dozen events. The library clears it before each read, so more is not better.
const READ_BYTES: usize = 32 * 1024;
/// A platform's own words are shown up to this length.
const MSG_CHARS_MAX: usize = 200;

pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// An open connection.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Its name in logs.
    pub(super) name: Arc<str>,
    /// Goes into pings.
    pub(super) service: i32,
}

/// Opens connections of one app.
pub(super) struct Dialer {
    app: App,
    connector: Connector,
}

impl Dialer {
    pub(super) fn new(app: &App) -> Result<Self, ConnectError> {
        let connector = Connector::new(app).map_err(|error| ConnectError::Tls { reason: error.reason })?;
        Ok(Self {
            app: app.clone(),
            connector,
        })
    }

    /// Asks the endpoint for a URL to connect to. `returning` clients have been connected before.
    pub(super) async fn look_up(&self, returning: bool) -> Result<(Secret, ClientConfig), Trouble> {
        let url: Uri = self
            .app
            .domain
            .join(ENDPOINT_PATH)
            .parse()
            .map_err(|error| wrong("the domain is no address", &error))?;
        let body = EndpointRequest::write(&self.app.id, &self.app.secret);
        let mut headers = HeaderMap::new();
        headers.insert("locale", HeaderValue::from_static("zh"));
        let posted = self.connector.post(&url, headers, body, ENDPOINT_BYTES_MAX).await;
        let posted = posted.map_err(Trouble::net)?;
        let host = url.host().unwrap_or_default();
        if !posted.status.is_success() {
            let status = posted.status;
            return Err(Trouble::no_answer(format!(
                "the look-up at `{host}` was answered with status {status}"
            )));
        }
        match EndpointReply::parse(&posted.body) {
            Ok(EndpointReply::Connect { url, config }) => Ok((url, config)),
            Ok(EndpointReply::Refused { code, msg }) => Err(self.refused(code, &msg, returning)),
            Err(error) => Err(Trouble::no_answer(format!(
                "the look-up at `{host}` brought no such answer: {error}"
            ))),
        }
    }

    /// Connects to the URL.
    pub(super) async fn connect(&self, url: &Secret, returning: bool) -> Result<Connection, Trouble> {
        let parsed: Uri = url
            .expose()
            .parse()
            .map_err(|error| wrong("the look-up brought no URL", &error))?;
        let io = self.connector.open(&parsed).await.map_err(Trouble::net)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let handshake = tokio_tungstenite::client_async_with_config(url.expose(), io, Some(config));
        let socket = match timeout(self.connector.limit(), handshake).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(tungstenite::Error::Http(response))) => {
                return Err(handshake_refused(
                    response.status(),
                    response.headers(),
                    &self.app.domain,
                    returning,
                ));
            }
            Ok(Err(error)) => return Err(Trouble::handshake(format!("the handshake failed: {error}"))),
            Err(_) => return Err(Trouble::handshake("the handshake was not answered in time".to_owned())),
        };
        let (name, service) = connection_of(url.expose());
        Ok(Connection {
            socket,
            name: name.unwrap_or("unnamed").into(),
            service,
        })
    }

    fn refused(&self, code: i64, msg: &str, returning: bool) -> Trouble {
        Trouble::refused(code, &short(msg), &self.app.domain, returning)
    }
}

/// A refused handshake is about the app only where the official clients say so.
fn handshake_refused(status: http::StatusCode, headers: &HeaderMap, domain: &Domain, returning: bool) -> Trouble {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name| text(name).and_then(|text| text.parse::<i64>().ok());
    let msg = short(text(HANDSHAKE_MSG).unwrap_or("no reason given"));
    let code = match (number(HANDSHAKE_STATUS), number(HANDSHAKE_AUTHERRCODE)) {
        (Some(code::FORBIDDEN), _) => code::FORBIDDEN,
        (Some(code::AUTH_FAILED), Some(code::EXCEED_CONN_LIMIT)) => code::EXCEED_CONN_LIMIT,
        _ => return Trouble::handshake(format!("the handshake was refused with status {status}: {msg}")),
    };
    Trouble::refused(code, &msg, domain, returning)
}

fn wrong(what: &str, error: &http::uri::InvalidUri) -> Trouble {
    Trouble::no_answer(format!("{what}: {error}"))
}

/// What a platform says about itself may be of any length and hold anything.
fn short(msg: &str) -> String {
    let clean = msg.chars().map(|char| if char.is_control() { ' ' } else { char });
    clean.take(MSG_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trouble::Severity;
    use super::*;

    fn severity(headers: &[(&'static str, &'static str)]) -> Severity {
        let headers = headers.iter().map(|(name, value)| {
            let name: http::HeaderName = name.to_lowercase().parse().unwrap();
            (name, HeaderValue::from_static(value))
        });
        handshake_refused(http::StatusCode::FORBIDDEN, &headers.collect(), &Domain::Feishu, false).severity
    }

    #[test]
    fn a_refused_handshake_is_fatal_only_where_the_official_clients_stop() {
        let limit = ("Handshake-Autherrcode", "1000040350");
        assert_eq!(severity(&[("Handshake-Status", "403")]), Severity::Fatal);
        assert_eq!(severity(&[("Handshake-Status", "514"), limit]), Severity::Fatal);
        assert_eq!(severity(&[("Handshake-Status", "514")]), Severity::BackOff);
        assert_eq!(severity(&[]), Severity::BackOff);
    }

    #[test]
    fn what_the_platform_says_is_cut_and_cleaned() {
        assert_eq!(short("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(short(&"x".repeat(5_000)).len(), MSG_CHARS_MAX);
    }
}
