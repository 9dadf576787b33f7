//! The admin API, as a producer and an administrator use it.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::until;

/// What every event here says; anybody may get it, and one scope is enough.
pub(crate) const EVENT_TYPE: &str = "im.chat.disbanded_v1";
/// Not the tenant of the apps that `dev` makes ready, so that they stay out of it.
pub(crate) const TENANT: &str = "proof";

/// No answer came, or only a part of one.
#[derive(Debug)]
pub(crate) struct Gone;

/// A client of one platform; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

/// An event of about 1 KiB.
pub(crate) fn event(id: &str) -> Value {
    let event = json!({ "chat_id": "oc_1", "name": "n".repeat(900) });
    json!({ "event_type": EVENT_TYPE, "event_id": id, "tenant_key": TENANT, "event": event })
}

/// The same for one app.
pub(crate) fn event_for(app: &str, id: &str) -> Value {
    let mut event = event(id);
    event["app_id"] = app.into();
    event
}

/// The head of a request to publish that is written by hand; the framing says how its body ends.
pub(crate) fn publish_head(api: &Api, framing: &str) -> String {
    let (address, token) = (api.address(), &api.token);
    format!("POST /api/v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{framing}\r\n\r\n")
}

/// Reads an answer, and tells its first line.
pub(crate) async fn read_answer(from: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    loop {
        assert!(
            from.read_buf(&mut answer).await.unwrap() > 0,
            "it hung up without an answer"
        );
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            return head.lines().next().unwrap().to_owned();
        }
    }
}

/// Publishes on a connection that is open already; the first line of the answer.
pub(crate) async fn publish_on(connection: &mut TcpStream, api: &Api, event: &Value) -> String {
    let event = event.to_string();
    let head = publish_head(api, &format!("content-length: {}", event.len()));
    connection.write_all((head + &event).as_bytes()).await.unwrap();
    read_answer(connection).await
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// One request; status and body of its answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Bytes), Gone> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body.into()))
            .unwrap();
        let response = self.http.request(request).await.map_err(|_| Gone)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|_| Gone)?;
        Ok((status, body.to_bytes()))
    }

    /// A request with JSON in it, or nothing for `null`; the answer must come.
    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = self.call(method, path, "application/json", body).await.unwrap();
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Reads something that is there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.json(Method::GET, path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Asks for something that can be done.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.json(Method::POST, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Publishes one event; status and answer.
    pub(crate) async fn publish(&self, event: &Value) -> Result<(u16, Value), Gone> {
        let published = self.call(Method::POST, "/api/v1/events", "application/json", event.to_string());
        let (status, answer) = published.await?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }

    /// Publishes many in one request; the answer to each, when the request as a whole was taken.
    pub(crate) async fn publish_lines(&self, events: &[Value]) -> Result<(u16, Vec<Value>), Gone> {
        let lines: Vec<_> = events.iter().map(ToString::to_string).collect();
        let published = self.call(Method::POST, "/api/v1/events", "application/x-ndjson", lines.join("\n"));
        let (status, answer) = published.await?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok((
            status,
            lines.map(|line| serde_json::from_slice(line).unwrap()).collect(),
        ))
    }

    /// Makes a webhook app that gets every event of [`TENANT`], or those for it alone; answers its id. On a busy machine
    /// the challenge may be answered too late; then it is tried again.
    pub(crate) async fn create_app(&self, name: &str, url: &str) -> String {
        let mut app_id = None;
        until("its endpoint passes the challenge", async || {
            let (status, app) = self.try_create_app(name, url, true).await;
            let is_late = app["detail"].as_str().is_some_and(|why| why.contains(" within "));
            assert!(is_late || (200..300).contains(&status), "{status} {app}");
            app_id = app["app_id"].as_str().map(str::to_owned);
            app_id.is_some()
        })
        .await;
        app_id.unwrap()
    }

    /// The same, where it may be refused.
    pub(crate) async fn try_create_app(&self, name: &str, url: &str, private: bool) -> (u16, Value) {
        let app = json!({
            "name": name, "kind": "custom", "tenants": [TENANT], "scopes": "all",
            "events": { "mode": "webhook", "url": url, "types": [EVENT_TYPE] },
            "allow_private_addresses": private,
        });
        self.json(Method::POST, "/api/v1/apps", &app).await
    }

    /// What time it is for the platform.
    pub(crate) async fn now(&self) -> i64 {
        self.get("/api/v1/clock").await["now"].as_i64().unwrap()
    }

    /// Deliveries that are in memory: pushed, waiting for a slot, or not written down yet.
    pub(crate) async fn in_memory(&self) -> u64 {
        self.metric("larkspur_deliveries_in_memory").await
    }

    /// A sample, by its name and labels.
    pub(crate) async fn metric(&self, sample: &str) -> u64 {
        let (status, metrics) = self.call(Method::GET, "/metrics", "text/plain", "").await.unwrap();
        assert_eq!(status, 200);
        let metrics = std::str::from_utf8(&metrics).unwrap();
        let value = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
        metrics.lines().find_map(value).expect("the metric is there")
    }

    /// Moves the clock of `dev`.
    pub(crate) async fn advance(&self, seconds: u64) {
        self.post("/api/v1/clock/advance", &json!({ "seconds": seconds })).await;
    }

    /// Every delivery that waits to be pushed.
    pub(crate) async fn pending(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self
                .get(&format!("/api/v1/deliveries?state=pending&limit=1000{after}"))
                .await;
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }

    /// The attempts of an event, of all its deliveries.
    pub(crate) async fn attempts(&self, event_id: &str) -> Vec<Value> {
        let event = self.get(&format!("/api/v1/events/{event_id}")).await;
        let deliveries = event["deliveries"].as_array().unwrap();
        let logs = deliveries
            .iter()
            .map(|delivery| delivery["attempt_log"].as_array().unwrap());
        logs.flatten().cloned().collect()
    }

    /// How often requests were refused with this code.
    pub(crate) async fn refused(&self, code: &str) -> u64 {
        self.get("/api/v1/counters").await["refused"][code]
            .as_u64()
            .unwrap_or_default()
    }
}
