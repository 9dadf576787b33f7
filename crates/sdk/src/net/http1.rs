//! One HTTP/1.1 request on a connection of its own: look-ups are minutes apart, so there is nothing to pool.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Connector, NetError, Step, late};

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Connector {
    /// Posts JSON and reads the answer, which may have `bytes_max`.
    pub(crate) async fn post(
        &self,
        url: &Uri,
        headers: HeaderMap,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Posted, NetError> {
        let host = url.host().unwrap_or_default();
        let fail = |why: String| NetError::new(Step::Exchange, format!("`{host}` gave no answer: {why}"));
        let request = request(url, headers, body).map_err(|error| fail(error.to_string()))?;
        let io = self.open(url).await?;
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(io))
                .await
                .map_err(|error| error.to_string())?;
            let mut answer = pin!(async {
                let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
                let status = response.status();
                let body = Limited::new(response.into_body(), bytes_max).collect().await;
                let body = body.map_err(|error| error.to_string())?.to_bytes();
                Ok(Posted { status, body })
            });
            tokio::select! {
                biased;
                answered = &mut answer => answered,
                // The connection may end first; what it brought is still there to be read.
                _ = connection => answer.await,
            }
        };
        match timeout(self.limit(), exchange).await {
            Ok(done) => done.map_err(fail),
            Err(_) => Err(fail(late(self.limit()))),
        }
    }
}

fn request(url: &Uri, headers: HeaderMap, body: Vec<u8>) -> Result<Request<Full<Bytes>>, http::Error> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::post(path).header(header::HOST, host).body(Full::from(body))?;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    let agent = HeaderValue::from_static(concat!("larkspur/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    request.headers_mut().insert(header::USER_AGENT, agent);
    request.headers_mut().extend(headers);
    Ok(request)
}
