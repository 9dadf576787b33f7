use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::layer_fn;

use super::*;
use crate::delivery::Transport;
use crate::dispatch::tests::{NOW, envelope, failure};
use crate::dispatch::{Dispatcher, Failure, Outcome};
use crate::extract::State;

const KIND: &str = "a.seen_v1";

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Notes its name, is ready when it is asked a second time, and fails when it is told.
#[derive(Clone)]
struct Noted<S> {
    inner: S,
    name: &'static str,
    log: Log,
    asked: bool,
    fails: bool,
}

impl<S> Service<Delivery> for Noted<S>
where
    S: Service<Delivery, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Handling;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !std::mem::replace(&mut self.asked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, delivery: Delivery) -> Handling {
        assert!(self.asked, "it was not ready");
        self.log.lock().unwrap().push(self.name);
        let (fails, handling) = (self.fails, self.inner.call(delivery));
        Box::pin(async move {
            let answer = handling.await?;
            if fails { Err("on purpose".into()) } else { Ok(answer) }
        })
    }
}

fn noted(name: &'static str, log: &Log, fails: bool) -> impl Layer<Handlers, Service = Noted<Handlers>> + use<> {
    let log = Arc::clone(log);
    layer_fn(move |inner| Noted {
        inner,
        name,
        log: Arc::clone(&log),
        asked: false,
        fails,
    })
}

async fn note(_: Delivery, State(log): State<Log>) {
    log.lock().unwrap().push("handler");
}

async fn push(dispatcher: &Dispatcher, event_type: &str) -> Outcome {
    dispatcher
        .start(envelope(event_type, "e1"), Transport::Webhook, NOW)
        .await
}

#[tokio::test]
async fn the_layer_added_last_is_outermost_and_each_is_asked_whether_it_is_ready() {
    let log = Log::default();
    let router = Router::new()
        .layer(noted("inner", &log, false))
        .on_raw(KIND, note)
        .layer(noted("outer", &log, false))
        .with_state(Arc::clone(&log));
    let dispatcher = Dispatcher::new(router).unwrap();
    assert!(matches!(push(&dispatcher, KIND).await, Outcome::Handled(_)));
    assert_eq!(*log.lock().unwrap(), ["outer", "inner", "handler"]);
}

#[tokio::test]
async fn layers_see_no_repeats_and_nothing_without_a_handler() {
    let log = Log::default();
    let router = Router::new().on_raw(KIND, note).layer(noted("layer", &log, false));
    let dispatcher = Dispatcher::new(router.with_state(Arc::clone(&log))).unwrap();
    push(&dispatcher, "a.new_v1").await;
    assert_eq!(log.lock().unwrap().len(), 0);
    for _ in 0..2 {
        push(&dispatcher, KIND).await;
    }
    assert_eq!(*log.lock().unwrap(), ["layer", "handler"]);
}

#[tokio::test]
async fn an_event_fails_when_a_layer_does() {
    let log = Log::default();
    let router = Router::new().on_raw(KIND, note).layer(noted("layer", &log, true));
    let dispatcher = Dispatcher::new(router.with_state(Arc::clone(&log))).unwrap();
    assert_eq!(failure(push(&dispatcher, KIND).await), Some(Failure::Handler));
}

#[tokio::test]
async fn a_merged_router_keeps_its_handlers_and_its_fallback() {
    let fell = Arc::new(AtomicBool::new(false));
    let fallback = async |_: Delivery, State(fell): State<Arc<AtomicBool>>| fell.store(true, SeqCst);
    let other = Router::new().on_raw(KIND, async |_: Delivery| Err::<(), _>("on purpose"));
    let router = Router::new().merge(other.with_state(()));
    let router = router.merge(Router::new().fallback(fallback).with_state(Arc::clone(&fell)));
    let dispatcher = Dispatcher::new(router).unwrap();
    assert_eq!(failure(push(&dispatcher, KIND).await), Some(Failure::Handler));
    assert!(matches!(push(&dispatcher, "a.new_v1").await, Outcome::Handled(_)));
    assert!(fell.load(SeqCst));
}

#[test]
fn a_router_with_two_handlers_for_a_type_or_two_fallbacks_is_refused() {
    let one = || Router::new().on_raw(KIND, async |_: Delivery| {});
    let fallback = || Router::new().fallback(async |_: Delivery| {});
    let twice = |router: Router| match router.check() {
        Err(RouterError::Twice { types }) => types.into_iter().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(twice(one().on_raw(KIND, async |_: Delivery| {})), [KIND]);
    assert_eq!(twice(one().merge(one())), [KIND]);
    assert_eq!(twice(fallback().merge(fallback())), ["the fallback"]);
    assert_eq!(twice(Router::new().merge(one().merge(one()))), [KIND]);
}

#[test]
fn what_holds_for_all_handlers_is_said_once() {
    let minute = Duration::from_mins(1);
    let with_policy: [Router; 6] = [
        Router::new().time_limit(minute),
        Router::new().concurrency(1),
        Router::new().strict(),
        Router::new().without_dedup(),
        Router::new().drop_stale(minute),
        Router::new().layer(crate::Dedup::default()),
    ];
    for other in with_policy {
        assert_eq!(other.check(), Ok(()));
        assert_eq!(Router::new().merge(other).check(), Err(RouterError::MergedPolicy));
    }
}
