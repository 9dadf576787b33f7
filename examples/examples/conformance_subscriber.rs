//! A subscriber for the proof by peers: one case from `LARKSPUR_CASE`, what arrives as lines of JSON on stdout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use larkspur::events::application::ApplicationAppVersionPublishRevokeV6;
use larkspur::events::card::{ActionTrigger, ActionTriggerReply, ActionTriggerReplyToast, ActionTriggerReplyToastType};
use larkspur::events::corehr::JobChangeStatusUpdatedV2;
use larkspur::events::hire::{EcoBackgroundCheckCanceledV1, EcoBackgroundCheckCreatedV1, EcoExamCreatedV1};
use larkspur::events::{EventType, Extra};
use larkspur::{App, Domain, Event, Json, Meta, Router, State, ctrl_c};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Case {
    domain: String,
    app_id: String,
    app_secret: String,
    encrypt_key: String,
    verification_token: String,
    mode: String,
    port: u16,
    types: Vec<String>,
    fail_first: u32,
}

/// How many more events the handlers fail on.
type Failures = State<Arc<AtomicU32>>;

/// Prints what the SDK decoded into its structs, then fails as often as the case asks for.
fn received(event: impl EventType, meta: Meta, State(failures): Failures) -> Result<()> {
    let fewer = |left: u32| left.checked_sub(1);
    let failing = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok();
    // The SDK checks the Verification Token itself and does not hand it on.
    let header: Value = serde_json::from_str(&meta.pretty())?;
    say(
        &json!({"event": meta.event_type, "header": header, "token_withheld": true,
        "payload": serde_json::to_value(event)?, "failing": failing}),
    );
    ensure!(!failing, "this handler fails on purpose");
    Ok(())
}

/// A handler that keeps what the struct has a field for, and nothing else.
macro_rules! handler {
    ($name:ident, $event:ident) => {
        async fn $name(Event(event): Event<$event>, meta: Meta, failures: Failures) -> Result<()> {
            received(
                $event {
                    extra: Extra::default(),
                    ..event
                },
                meta,
                failures,
            )
        }
    };
}

/// Answers what the card's button says.
async fn on_card(Event(tap): Event<ActionTrigger>, meta: Meta) -> Result<Json<ActionTriggerReply>> {
    say(&json!({"event": meta.event_type, "payload": serde_json::to_value(&tap)?}));
    let value = tap.action.and_then(|action| action.value).context("no value")?;
    let toast = ActionTriggerReplyToast {
        r#type: Some(ActionTriggerReplyToastType::Info),
        content: value["echo"].as_str().map(str::to_owned),
        ..ActionTriggerReplyToast::default()
    };
    Ok(Json(ActionTriggerReply {
        toast: Some(toast),
        ..ActionTriggerReply::default()
    }))
}

handler!(on_check_created, EcoBackgroundCheckCreatedV1);
handler!(on_check_canceled, EcoBackgroundCheckCanceledV1);
handler!(on_exam_created, EcoExamCreatedV1);
handler!(on_job_change, JobChangeStatusUpdatedV2);
handler!(on_version_revoked, ApplicationAppVersionPublishRevokeV6);

fn router(case: &Case) -> Result<Router> {
    let mut router = Router::new();
    for event_type in &case.types {
        router = match event_type.as_str() {
            ActionTrigger::KEY => router.on(on_card),
            EcoBackgroundCheckCreatedV1::KEY => router.on(on_check_created),
            EcoBackgroundCheckCanceledV1::KEY => router.on(on_check_canceled),
            EcoExamCreatedV1::KEY => router.on(on_exam_created),
            JobChangeStatusUpdatedV2::KEY => router.on(on_job_change),
            ApplicationAppVersionPublishRevokeV6::KEY => router.on(on_version_revoked),
            other => bail!("no handler is written for {other}"),
        };
    }
    Ok(router.with_state(Arc::new(AtomicU32::new(case.fail_first))))
}

async fn run() -> Result<()> {
    let case = std::env::var("LARKSPUR_CASE").context("LARKSPUR_CASE is not set")?;
    let case: Case = serde_json::from_str(&case)?;
    let app = App::new(&case.app_id, case.app_secret.as_str())?
        .domain(Domain::parse(&case.domain)?)
        .encrypt_key(case.encrypt_key.as_str())
        .verification_token(case.verification_token.as_str());
    if case.mode == "webhook" {
        let web = axum::Router::new().route_service("/webhook/event", app.webhook(router(&case)?)?);
        let listener = TcpListener::bind(("127.0.0.1", case.port)).await?;
        say(&json!({"ready": true}));
        axum::serve(listener, web).await?;
    } else {
        say(&json!({"ready": true}));
        app.connect(router(&case)?).with_graceful_shutdown(ctrl_c()).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        say(&json!({"error": format!("{error:#}")}));
    }
}

#[expect(clippy::print_stdout, reason = "the lines are what this program is for")]
fn say(line: &Value) {
    println!("{line}");
}
