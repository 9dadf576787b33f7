//! Between the platform and an endpoint: one request for each event.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::sync::Notify;
use tokio::time::sleep;
use url::Url;

use super::fault::{Cut, Fault, Stage};
use super::http::{Answer, Gone, collect, forward, whole};
use super::{Shared, count, drift};

pub(super) struct Hook {
    shared: Arc<Shared>,
    authority: String,
    /// Tells whoever is held back that another has passed.
    passed: Notify,
}

impl Hook {
    pub(super) fn new(shared: Arc<Shared>, endpoint: &Url) -> Self {
        let host = endpoint.host_str().unwrap_or("127.0.0.1");
        let port = endpoint.port_or_known_default().unwrap_or(80);
        Self {
            shared,
            authority: format!("{host}:{port}"),
            passed: Notify::new(),
        }
    }

    /// One request of the platform.
    pub(super) async fn pass(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Gone> {
        let (head, body) = request.into_parts();
        let mut body = collect(body).await?;
        let mut pieces = None;
        match self.shared.take(Stage::Event) {
            None => {}
            Some(Fault::Delay(by)) => sleep(by).await,
            Some(Fault::Reorder) => self.passed.notified().await,
            Some(Fault::Fragment { bytes }) => pieces = Some(bytes),
            Some(Fault::NumbersForText) => body = drift::numbers_for_text(&body),
            Some(Fault::CutBeforeEvent(cut)) => return ended(cut).await,
            Some(_) => return Err(Gone),
        }
        let answer = self.exchange(&head, &body, pieces).await?;
        self.passed.notify_waiters();
        let success = answer.status().is_success();
        match self.shared.take(Stage::Ack { success }) {
            Some(Fault::DropAck) => return Err(Gone),
            Some(Fault::DelayAck(by)) => sleep(by).await,
            Some(Fault::CutBeforeAck(cut)) => return ended(cut).await,
            Some(Fault::Duplicate) => drop(self.exchange(&head, &body, None).await),
            _ => {}
        }
        count(&self.shared.counts.acks);
        Ok(answer)
    }

    async fn exchange(&self, head: &Parts, body: &Bytes, pieces: Option<usize>) -> Result<Answer, Gone> {
        count(&self.shared.counts.events);
        let body = match pieces {
            Some(bytes) => segments(body, bytes),
            None => whole(body.clone()),
        };
        let mut request = Request::from_parts(head.clone(), body);
        // Made anew from the body, whose length may have changed.
        request.headers_mut().remove(CONTENT_LENGTH);
        let response = forward(&self.authority, request).await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, Full::new(collect(body).await?)))
    }
}

async fn ended(cut: Cut) -> Result<Answer, Gone> {
    match cut {
        Cut::Silence | Cut::HalfOpen => pending().await,
        _ => Err(Gone),
    }
}

/// A body in segments of this many bytes: between them the connection is flushed.
fn segments(body: &Bytes, bytes: usize) -> BoxBody<Bytes, Infallible> {
    let pieces: Vec<Bytes> = body.chunks(bytes.max(1)).map(Bytes::copy_from_slice).collect();
    let pieces = stream::unfold(pieces.into_iter(), async |mut pieces| {
        let piece = pieces.next()?;
        tokio::task::yield_now().await;
        Some((Ok(Frame::data(piece)), pieces))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
