//! Endpoints that remember what came: well behaved, failing on purpose, slow.

mod counted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::api::read_answer;
use crate::until;
use counted::{Count, Counting};

/// How an endpoint answers an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) after: Duration,
}

impl Reply {
    /// Takes it at once.
    pub(crate) const TAKE: Self = Self {
        status: StatusCode::OK,
        after: Duration::ZERO,
    };
}

/// What became of one event here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The runs of the platform in which it came.
    pub(crate) came: Vec<usize>,
    /// Those of them in which it was taken, that is, in which success was about to be answered.
    pub(crate) taken: Vec<usize>,
}

/// How to answer an event that comes for the nth time, counted from 0.
type Answers = dyn Fn(&str, usize) -> Reply + Send + Sync;

struct Inner {
    answers: Box<Answers>,
    seen: Mutex<(usize, BTreeMap<String, Seen>)>,
    /// Requests that are not answered yet.
    busy: Count,
    open: Count,
}

/// An endpoint; cheap to clone.
#[derive(Clone)]
pub(crate) struct Sink {
    /// Its request URL.
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Sink {
    /// One that takes everything at once.
    pub(crate) async fn taking() -> Self {
        Self::answering(|_, _| Reply::TAKE).await
    }

    /// One that answers by a function of the event id and of how often it came.
    pub(crate) async fn answering(answers: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook/event", listener.local_addr().unwrap());
        let open = Count::default();
        let inner = Arc::new(Inner {
            answers: Box::new(answers),
            seen: Mutex::default(),
            busy: Count::default(),
            open: open.clone(),
        });
        let router = axum::Router::new().fallback(receive).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(Counting { listener, open }, router).await });
        Self { url, inner }
    }

    /// From now on events come in this run of the platform.
    pub(crate) fn begin(&self, run: usize) {
        self.inner.seen.lock().unwrap().0 = run;
    }

    /// Waits until all has come that a killed platform had sent.
    pub(crate) async fn hear_out(&self) {
        // Connections are accepted in order, so those before this one are counted when it is answered.
        let address = self.url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut last = TcpStream::connect(address).await.unwrap();
        let body = json!({ "type": "url_verification" }).to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: sink\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        last.write_all((head + &body).as_bytes()).await.unwrap();
        read_answer(&mut last).await;
        drop(last);
        until("all connections end", async || self.inner.open.now() == 0).await;
    }

    /// Everything that came, by event id.
    pub(crate) fn seen(&self) -> BTreeMap<String, Seen> {
        self.inner.seen.lock().unwrap().1.clone()
    }

    /// How many events were taken.
    pub(crate) fn n_taken(&self) -> usize {
        let seen = self.inner.seen.lock().unwrap();
        seen.1.values().filter(|seen| !seen.taken.is_empty()).count()
    }

    /// How often events came.
    pub(crate) fn n_came(&self) -> usize {
        self.inner
            .seen
            .lock()
            .unwrap()
            .1
            .values()
            .map(|seen| seen.came.len())
            .sum()
    }

    /// Whether everything that came was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.inner.busy.now() == 0
    }

    /// Whether this event was taken.
    pub(crate) fn took(&self, id: &str) -> bool {
        let seen = self.inner.seen.lock().unwrap();
        seen.1.get(id).is_some_and(|seen| !seen.taken.is_empty())
    }
}

async fn receive(State(sink): State<Arc<Inner>>, body: axum::body::Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    // An endpoint behind a load balancer does not keep connections for ever either, and names are resolved anew.
    let close = [(header::CONNECTION, "close")];
    if body["type"] == "url_verification" {
        return (close, axum::Json(json!({ "challenge": body["challenge"] }))).into_response();
    }
    let _busy = sink.busy.one();
    let id = body["header"]["event_id"].as_str().unwrap().to_owned();
    let (run, before) = {
        let mut seen = sink.seen.lock().unwrap();
        let run = seen.0;
        let came = &mut seen.1.entry(id.clone()).or_default().came;
        came.push(run);
        (run, came.len() - 1)
    };
    let Reply { status, after } = (sink.answers)(&id, before);
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    if status.is_success() {
        let mut seen = sink.seen.lock().unwrap();
        seen.1.entry(id).or_default().taken.push(run);
    }
    status.into_response()
}
