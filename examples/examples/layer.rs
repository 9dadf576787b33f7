//! Puts a tower layer around all handlers: here it says how long each took. It runs in the handler's task.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example layer`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{Answer, App, Delivery, Event, Router, ctrl_c};
use tower::{Layer, Service};

#[derive(Clone)]
struct Timed;

#[derive(Clone)]
struct TimedService<S>(S);

impl<S> Layer<S> for Timed {
    type Service = TimedService<S>;

    fn layer(&self, inner: S) -> TimedService<S> {
        TimedService(inner)
    }
}

impl<S> Service<Delivery> for TimedService<S>
where
    S: Service<Delivery, Response = Answer>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, delivery: Delivery) -> Self::Future {
        let event_type = delivery.meta().event_type.clone();
        let handling = self.0.call(delivery);
        Box::pin(async move {
            let start = Instant::now();
            let answer = handling.await;
            println!("{event_type} took {:?}", start.elapsed());
            answer
        })
    }
}

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>) {
    println!("order {}", check.background_check_id.unwrap_or_default());
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check).layer(Timed);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
