//! `--demo`: the five events of the official samples, published in turn to typed handlers in this process.

use std::time::Duration;

use larkspur::events::application::ApplicationAppVersionPublishRevokeV6;
use larkspur::events::corehr::JobChangeStatusUpdatedV2;
use larkspur::events::hire::{EcoBackgroundCheckCanceledV1, EcoBackgroundCheckCreatedV1, EcoExamCreatedV1};
use larkspur::{App, Domain, Event, Meta, Router, State};
use larkspur_catalog::Catalog;
use larkspur_engine::Engine;
use larkspur_platform::{Publication, UnverifiedTypes};
use serde_json::json;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::home::DevFile;
use crate::ui::Ui;

const TYPES: [&str; 5] = [
    "hire.eco_background_check.created_v1",
    "hire.eco_background_check.canceled_v1",
    "hire.eco_exam.created_v1",
    "corehr.job_change.status_updated_v2",
    "application.application.app_version.publish_revoke_v6",
];
const EVERY: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Subscriber {
    ui: Ui,
    way: &'static str,
}

impl Subscriber {
    fn arrived(&self, meta: &Meta, what: Option<&String>) {
        let what = what.map_or("", String::as_str);
        let value = json!({ "arrived": meta.event_id, "event_type": meta.event_type, "way": self.way, "what": what });
        self.ui.result(&value, || {
            format!(
                "              {}  {}  handled by {}: {what}",
                meta.event_id, meta.event_type, self.way
            )
        });
    }
}

async fn on_check(Event(check): Event<EcoBackgroundCheckCreatedV1>, meta: Meta, State(to): State<Subscriber>) {
    to.arrived(&meta, check.background_check_id.as_ref());
}

async fn on_cancel(Event(check): Event<EcoBackgroundCheckCanceledV1>, meta: Meta, State(to): State<Subscriber>) {
    to.arrived(&meta, check.termination_reason.as_ref());
}

async fn on_exam(Event(exam): Event<EcoExamCreatedV1>, meta: Meta, State(to): State<Subscriber>) {
    to.arrived(&meta, exam.exam_id.as_ref());
}

async fn on_job_change(Event(change): Event<JobChangeStatusUpdatedV2>, meta: Meta, State(to): State<Subscriber>) {
    to.arrived(&meta, change.effective_date.as_ref());
}

async fn on_revoke(
    Event(revoke): Event<ApplicationAppVersionPublishRevokeV6>,
    meta: Meta,
    State(to): State<Subscriber>,
) {
    to.arrived(&meta, revoke.version_id.as_ref());
}

/// Typed handlers that print what arrives.
pub(super) fn router(ui: Ui, way: &'static str) -> Router {
    let router = Router::new()
        .on(on_check)
        .on(on_cancel)
        .on(on_exam)
        .on(on_job_change)
        .on(on_revoke);
    super::inbox::answering(router.fallback(super::inbox::take)).with_state(Subscriber { ui, way })
}

/// Subscribes over a persistent connection, and publishes until it is stopped.
pub(super) async fn run(ui: Ui, engine: Engine, file: DevFile, stop: CancellationToken) {
    let Some(client) = client(&file) else { return };
    let connect = client
        .connect(router(ui, "connection"))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let publish = async {
        let mut ticks = interval(EVERY);
        for event_type in TYPES.iter().cycle() {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => publish(&ui, &engine, event_type, &file).await,
            }
        }
    };
    let (connected, ()) = tokio::join!(connect.into_future(), publish);
    if let Err(error) = connected {
        ui.note(&format!("the built-in subscriber gave up: {error}"));
    }
}

fn client(file: &DevFile) -> Option<App> {
    let first = file.apps.first()?;
    let app = App::new(&first.app_id, first.app_secret.as_str()).ok()?;
    Some(app.domain(Domain::parse(&file.url).ok()?))
}

/// An addressed event goes to one app; the demo takes turns between the two modes by naming it.
async fn publish(ui: &Ui, engine: &Engine, event_type: &str, file: &DevFile) {
    let catalog = Catalog::embedded();
    let Some(facts) = catalog.find(event_type) else { return };
    for (idx, app) in file.apps.iter().take(2).enumerate() {
        let mut event = facts.sample();
        if let Some(addressed) = &facts.addressed {
            // Accounts and orders of each app's own: those of the examples are bound to the first app.
            for reference in addressed.by.iter().chain(&addressed.binds) {
                event[&reference.path] = format!("70000000000000000{idx}").into();
            }
        }
        let body = json!({ "event_type": event_type, "event": event, "app_id": app.app_id }).to_string();
        let settings = &engine.settings().publish;
        let published = match Publication::parse(body.as_bytes(), catalog, settings, UnverifiedTypes::Accept) {
            Ok(publication) => engine.publish(vec![publication], false).await,
            Err(error) => return ui.note(&format!("the demo could not publish: {error}")),
        };
        match published.map(|mut answers| answers.pop()) {
            Ok(Some(Err(error))) => ui.note(&format!("the demo could not publish: {error}")),
            Err(error) => ui.note(&format!("the demo could not publish: {error}")),
            Ok(_) => {}
        }
    }
}
