//! Receives by webhook without axum: the SDK takes a request's head and its body, whoever read them. Here it is hyper;
//! a function in a cloud does the same.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_VERIFICATION_TOKEN=… cargo run --example webhook_any_framework`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, BoxError, Event, Router, Webhook};
use tokio::net::TcpListener;

const BODY_BYTES_MAX: usize = 1 << 20;

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>) {
    println!("order {}", check.background_check_id.unwrap_or_default());
}

async fn receive(
    hook: Webhook,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<bytes::Bytes>>, BoxError> {
    let (head, body) = request.into_parts();
    // The bytes as they arrived: the signature is over them, and not over JSON that was parsed and written again.
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
    Ok(hook.handle(&head, body).await.map(Full::new))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let hook = App::from_env()?.webhook(Router::new().on(on_check))?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}/webhook/event", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let hook = hook.clone();
        let service = service_fn(move |request| receive(hook.clone(), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
