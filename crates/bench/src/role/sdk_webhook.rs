//! Webhook requests through Larkspur's SDK without a network, and what of it is unavoidable: cipher, hash, base64, and
//! one parse into structs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Event, Router, State, Webhook};
use larkspur_wire::header;
use larkspur_wire::{Secret, open, verify};
use serde::{Deserialize, Serialize};
use tower_service::Service;

use super::say;
use crate::process::own_cpu;
use crate::report::middle;
use crate::seed::{self, Sealed};

/// Events between two looks at the clock.
const BATCH: u64 = 1_000;

/// How long to measure.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) seconds: f64,
}

/// Microseconds of processor time an event, as medians.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) events: u64,
    pub(crate) sdk_us: f64,
    pub(crate) floor_us: f64,
    /// Opening: base64 and cipher.
    pub(crate) open_us: f64,
    /// The hash of the signature.
    pub(crate) verify_us: f64,
    pub(crate) parse_us: f64,
}

type Handled = Arc<AtomicU64>;

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>, State(handled): State<Handled>) {
    handled.fetch_add(u64::from(check.background_check_id.is_some()), Ordering::Relaxed);
}

pub(super) fn run(spec: &Spec) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handled = Handled::default();
    let router = Router::new().on(on_check).with_state(Arc::clone(&handled));
    let app = App::new(seed::APP_ID, "secret")?
        .encrypt_key(seed::ENCRYPT_KEY)
        .verification_token(seed::VERIFICATION_TOKEN);
    let hook = app.webhook(router)?;
    let (start, length) = (Instant::now(), Duration::from_secs_f64(spec.seconds));
    let (mut sdk, mut floor, mut events) = (Vec::new(), Floor::default(), 0);
    while start.elapsed() < length || sdk.is_empty() {
        let batch: Vec<Sealed> = (events..events + BATCH).map(seed::sealed).collect();
        floor.measure(&batch)?;
        let requests = batch.into_iter().map(request).collect::<Result<Vec<_>>>()?;
        // A server calls the service in tasks, and so do we.
        let pushed = runtime.block_on(runtime.spawn(push(hook.clone(), requests)))??;
        sdk.push(per_event(pushed));
        events += BATCH;
    }
    let handled = handled.load(Ordering::Relaxed);
    ensure!(handled == events, "{events} events were posted, and {handled} handled");
    say(&Done {
        events,
        sdk_us: middle(sdk),
        floor_us: middle(floor.all),
        open_us: middle(floor.open),
        verify_us: middle(floor.verify),
        parse_us: middle(floor.parse),
    })
}

fn request(sealed: Sealed) -> Result<Request<Full<Bytes>>> {
    Ok(Request::post("/webhook/event")
        .header(header::TIMESTAMP, seed::TIMESTAMP)
        .header(header::NONCE, seed::NONCE)
        .header(header::SIGNATURE, sealed.signature)
        .body(Full::from(sealed.body))?)
}

async fn push(mut hook: Webhook, requests: Vec<Request<Full<Bytes>>>) -> Result<Duration> {
    let before = own_cpu();
    for request in requests {
        let Ok(response) = hook.call(request).await;
        ensure!(
            response.status() == StatusCode::OK,
            "a request was answered {}",
            response.status()
        );
    }
    Ok(own_cpu().saturating_sub(before))
}

fn per_event(cpu: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let events = BATCH as f64;
    cpu.as_secs_f64() * 1e6 / events
}

/// The unavoidable, batch by batch.
#[derive(Debug, Default)]
struct Floor {
    all: Vec<f64>,
    open: Vec<f64>,
    verify: Vec<f64>,
    parse: Vec<f64>,
}

impl Floor {
    fn measure(&mut self, batch: &[Sealed]) -> Result<()> {
        let key = Secret::from(seed::ENCRYPT_KEY);
        let mut plain = Vec::with_capacity(batch.len());
        let start = own_cpu();
        for Sealed { body, signature } in batch {
            ensure!(
                verify(seed::TIMESTAMP, seed::NONCE, &key, body, signature),
                "a signature is wrong"
            );
        }
        let verified = own_cpu();
        for Sealed { body, .. } in batch {
            let base64 = &body[br#"{"encrypt":""#.len()..body.len() - br#""}"#.len()];
            plain.push(open(std::str::from_utf8(base64)?, &key)?);
        }
        let opened = own_cpu();
        for plain in &plain {
            let body: Body = serde_json::from_slice(plain)?;
            ensure!(
                !std::hint::black_box(body).event.background_check_id.is_empty(),
                "an id is empty"
            );
        }
        let parsed = own_cpu();
        self.all.push(per_event(parsed.saturating_sub(start)));
        self.verify.push(per_event(verified.saturating_sub(start)));
        self.open.push(per_event(opened.saturating_sub(verified)));
        self.parse.push(per_event(parsed.saturating_sub(opened)));
        Ok(())
    }
}

/// The event as somebody would write it who wants nothing but this one.
#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Body {
    schema: String,
    header: Header,
    event: Check,
}

#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Header {
    event_id: String,
    event_type: String,
    create_time: String,
    token: String,
    app_id: String,
    tenant_key: String,
}

#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Check {
    background_check_id: String,
    account_id: Option<String>,
    package_id: Option<String>,
    additional_item_id_list: Option<Vec<String>>,
    comment: Option<String>,
    candidate_info: Option<Person>,
    client_contact_info: Option<Person>,
    custom_field_list: Option<Vec<Custom>>,
}

#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Person {
    name: Option<String>,
    mobile: Option<Mobile>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Mobile {
    code: Option<String>,
    number: Option<String>,
}

#[expect(dead_code, reason = "they are parsed, which is what is measured")]
#[derive(Debug, Deserialize)]
struct Custom {
    key: Option<String>,
    value: Option<String>,
}
