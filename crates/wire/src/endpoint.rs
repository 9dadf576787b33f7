//! The first step of a persistent connection: asking the endpoint for a URL.
//!
//! See <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/request-url-configuration-case>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AppId, Secret, code};

/// Where a client posts its request, below the domain.
pub const ENDPOINT_PATH: &str = "/callback/ws/endpoint";
/// The path of the URL that is handed out.
pub const CONNECTION_PATH: &str = "/ws/v2";
/// The `service_id` in the URLs that this platform hands out; clients repeat it in every ping.
pub const SERVICE_ID: i32 = 33_554_678;
/// A request or an answer may be this large.
pub const ENDPOINT_BYTES_MAX: usize = 64 * 1024;

/// How often a client pings and how it comes back. Every SDK takes a missing member for 0 and then misbehaves, so all
/// four are always written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClientConfig {
    /// Tries to come back; negative means for ever.
    pub reconnect_count: i64,
    /// Seconds between tries.
    pub reconnect_interval: i64,
    /// Seconds within which the first try is spread.
    pub reconnect_nonce: i64,
    /// Seconds between pings.
    pub ping_interval: i64,
}

impl Default for ClientConfig {
    /// What the SDKs assume before they are told.
    fn default() -> Self {
        Self {
            reconnect_count: -1,
            reconnect_interval: 120,
            reconnect_nonce: 30,
            ping_interval: 120,
        }
    }
}

/// A [`ClientConfig`] as it may arrive: any member can be missing, or be no integer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PartialConfig {
    reconnect_count: Value,
    reconnect_interval: Value,
    reconnect_nonce: Value,
    ping_interval: Value,
}

impl ClientConfig {
    /// Takes over what an endpoint's answer or a pong says. Members that are missing or make no sense (an interval of
    /// 0 would flood the platform) are left as they were; what is no JSON object changes nothing.
    pub fn update(&mut self, json: &[u8]) {
        if let Ok(partial) = serde_json::from_slice(json) {
            self.apply(&partial);
        }
    }

    fn apply(&mut self, partial: &PartialConfig) {
        let update = |old: &mut i64, new: &Value, makes_sense: fn(i64) -> bool| {
            *old = new.as_i64().filter(|new| makes_sense(*new)).unwrap_or(*old);
        };
        update(&mut self.reconnect_count, &partial.reconnect_count, |count| count != 0);
        update(&mut self.reconnect_interval, &partial.reconnect_interval, |seconds| {
            seconds > 0
        });
        update(&mut self.reconnect_nonce, &partial.reconnect_nonce, |seconds| {
            seconds >= 0
        });
        update(&mut self.ping_interval, &partial.ping_interval, |seconds| seconds > 0);
    }
}

/// A client's request: App ID and App Secret, nothing else.
#[derive(Clone, Debug)]
pub struct EndpointRequest {
    /// As it came; not every text is an App ID.
    pub app_id: String,
    /// Proves that the client speaks for the app.
    pub app_secret: Secret,
}

#[derive(Deserialize)]
struct RequestBody<'a> {
    #[serde(rename = "AppID", borrow)]
    app_id: Cow<'a, str>,
    #[serde(rename = "AppSecret")]
    app_secret: Secret,
}

impl EndpointRequest {
    /// Reads a request, whatever its content type says; keys nobody knows are ignored.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let body: RequestBody<'_> = serde_json::from_slice(body)?;
        Ok(Self {
            app_id: body.app_id.into_owned(),
            app_secret: body.app_secret,
        })
    }

    /// The request of a client.
    pub fn write(app_id: &AppId, app_secret: &Secret) -> Vec<u8> {
        serde_json::json!({ "AppID": app_id, "AppSecret": app_secret.expose() })
            .to_string()
            .into_bytes()
    }
}

/// The endpoint's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointReply {
    /// A URL to connect to.
    Connect {
        /// It holds secrets and must not be logged.
        url: Secret,
        /// How to ping and come back.
        config: ClientConfig,
    },
    /// No URL.
    Refused {
        /// See [`code`].
        code: i64,
        /// In words.
        msg: String,
    },
}

#[derive(Deserialize)]
struct ReplyBody {
    code: i64,
    #[serde(default)]
    msg: Option<String>,
    /// Read apart: the code counts, whatever stands beside it.
    #[serde(default)]
    data: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReplyData {
    #[serde(rename = "URL")]
    url: Option<Secret>,
    #[serde(rename = "ClientConfig")]
    config: Value,
}

impl EndpointReply {
    /// The answer that hands a URL out.
    pub fn write_connect(url: &str, config: &ClientConfig, msg: &str) -> Vec<u8> {
        let data = serde_json::json!({ "URL": url, "ClientConfig": config });
        serde_json::json!({ "code": code::OK, "msg": msg, "data": data })
            .to_string()
            .into_bytes()
    }

    /// The answer that refuses. It has an empty `data`: without one, Node never looks at the code and tries for ever.
    pub fn write_refused(code: i64, msg: &str) -> Vec<u8> {
        serde_json::json!({ "code": code, "msg": msg, "data": {} })
            .to_string()
            .into_bytes()
    }

    /// Reads an answer as a client. Success without a URL counts as an internal error, which is worth another try.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let body: ReplyBody = serde_json::from_slice(body)?;
        let msg = body.msg.unwrap_or_default();
        let data: ReplyData = serde_json::from_value(body.data).unwrap_or_default();
        Ok(match (body.code, data.url.filter(|url| !url.is_empty())) {
            (code::OK, Some(url)) => {
                let mut config = ClientConfig::default();
                config.apply(&serde_json::from_value(data.config).unwrap_or_default());
                Self::Connect { url, config }
            }
            (code::OK, None) => Self::Refused {
                code: code::INTERNAL_ERROR,
                msg: "the endpoint answered without a URL".to_owned(),
            },
            (code, _) => Self::Refused { code, msg },
        })
    }
}

/// The query of a connection URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionQuery {
    /// Names the connection; the SDKs log it.
    pub device_id: u64,
    /// Belongs to the ticket.
    pub access_key: Secret,
    /// The right to open one connection.
    pub ticket: Secret,
}

impl ConnectionQuery {
    /// The URL to connect to, with the WebSocket scheme that fits `base` (`http://…` or `https://…`).
    ///
    /// `fpid` stands first, since Node garbles the first parameter's name.
    pub fn url(&self, base: &str) -> String {
        let base = base.trim_end_matches('/');
        let base = match base.split_once("://") {
            Some(("https", rest)) => format!("wss://{rest}"),
            Some(("http", rest)) => format!("ws://{rest}"),
            _ => base.to_owned(),
        };
        let Self {
            device_id,
            access_key,
            ticket,
        } = self;
        let (access_key, ticket) = (access_key.expose(), ticket.expose());
        format!(
            "{base}{CONNECTION_PATH}?fpid=493&aid=552564&device_id={device_id}&access_key={access_key}\
             &service_id={SERVICE_ID}&ticket={ticket}"
        )
    }

    /// Reads the query of a URL that this platform handed out; nothing in it is ever escaped.
    pub fn parse(query: &str) -> Option<Self> {
        let value = |name: &str| {
            let pair = |pair: &'_ str| {
                pair.split_once('=')
                    .filter(|(key, _)| *key == name)
                    .map(|(_, value)| value.to_owned())
            };
            query.split('&').find_map(pair)
        };
        Some(Self {
            device_id: value("device_id")?.parse().ok()?,
            access_key: Secret::from(value("access_key")?),
            ticket: Secret::from(value("ticket")?),
        })
    }
}

/// What a client reads from a connection URL: the connection's name and the service for its pings.
pub fn connection_of(url: &str) -> (Option<&str>, i32) {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
    };
    let service = value("service_id")
        .and_then(|(_, id)| id.parse().ok())
        .unwrap_or_default();
    (value("device_id").map(|(_, id)| id), service)
}
