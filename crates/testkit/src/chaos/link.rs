//! Between apps and the platform: look-ups and handshakes. What follows a handshake is the relay's.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::UPGRADE;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use larkspur_wire::endpoint::{ENDPOINT_PATH, EndpointReply};
use larkspur_wire::header::{HANDSHAKE_AUTHERRCODE, HANDSHAKE_MSG, HANDSHAKE_STATUS};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::fault::{Fault, Stage};
use super::http::{Answer, Gone, collect, forward, whole};
use super::relay::Relay;
use super::{Shared, count};

/// One request of an app.
pub(super) async fn pass(shared: Arc<Shared>, platform: Arc<str>, request: Request<Incoming>) -> Result<Answer, Gone> {
    if request.headers().contains_key(UPGRADE) {
        return upgrade(shared, &platform, request).await;
    }
    if request.uri().path() != ENDPOINT_PATH {
        return exchange(&platform, request).await;
    }
    // A client that hung up may have made another look-up since: first every connection that ended notices that it has.
    yield_now().await;
    let _under_way = Lookup::begin(&shared);
    match shared.take(Stage::Lookup) {
        Some(Fault::LookupRefused { code }) => {
            let body = EndpointReply::write_refused(code, "told to refuse");
            Ok(Response::new(Full::new(body.into())))
        }
        Some(Fault::LookupStatus(status)) => status_only(status),
        Some(_) => pending().await,
        None => exchange(&platform, request).await,
    }
}

async fn exchange(platform: &str, request: Request<Incoming>) -> Result<Answer, Gone> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, whole(collect(body).await?));
    let (head, body) = forward(platform, request).await?.into_parts();
    Ok(Response::from_parts(head, Full::new(collect(body).await?)))
}

fn status_only(status: u16) -> Result<Answer, Gone> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::from_u16(status).map_err(|_| Gone)?;
    Ok(answer)
}

async fn upgrade(shared: Arc<Shared>, platform: &str, mut request: Request<Incoming>) -> Result<Answer, Gone> {
    match shared.take(Stage::Handshake) {
        Some(Fault::HandshakeRefused { status, code }) => {
            let mut answer = status_only(StatusCode::FORBIDDEN.as_u16())?;
            let headers = answer.headers_mut();
            headers.insert(HANDSHAKE_STATUS, status.into());
            headers.insert(HANDSHAKE_AUTHERRCODE, code.into());
            headers.insert(HANDSHAKE_MSG, hyper::header::HeaderValue::from_static("told to refuse"));
            return Ok(answer);
        }
        Some(_) => pending().await,
        None => {}
    }
    // Before the platform knows of the connection, so that no order to cut it comes too early.
    let cuts = shared.cuts.subscribe();
    let client = hyper::upgrade::on(&mut request);
    let (head, _) = request.into_parts();
    let mut response = forward(platform, Request::from_parts(head, whole(Bytes::new()))).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = response.into_parts();
        return Ok(Response::from_parts(head, Full::new(collect(body).await?)));
    }
    let platform = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let Some(client) = socket(client, Role::Server).await else {
            return;
        };
        let Some(platform) = socket(platform, Role::Client).await else {
            return;
        };
        let stop = shared.stop.clone();
        let relay = Relay::new(Arc::clone(&shared), client, platform, cuts);
        let _ = stop.run_until_cancelled(relay.run()).await;
    });
    let (head, _) = response.into_parts();
    Ok(Response::from_parts(head, Full::default()))
}

/// The socket under an upgraded connection, with what was read of it already.
async fn socket(upgrade: OnUpgrade, role: Role) -> Option<WebSocketStream<TcpStream>> {
    let parts = upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
    let read = parts.read_buf.to_vec();
    Some(WebSocketStream::from_partially_read(parts.io.into_inner(), read, role, None).await)
}

/// Counts a look-up while it is under way, however it ends.
struct Lookup<'a>(&'a Shared);

impl<'a> Lookup<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let counts = &shared.counts;
        count(&counts.lookups);
        let now = counts.lookups_now.fetch_add(1, Ordering::AcqRel) + 1;
        counts.lookups_at_once_max.fetch_max(now, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Lookup<'_> {
    fn drop(&mut self) {
        self.0.counts.lookups_now.fetch_sub(1, Ordering::AcqRel);
    }
}
