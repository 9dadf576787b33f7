//! The metrics, for Prometheus and whatever reads its format. `docs/operations.md` explains each.

mod process;
mod queue;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use larkspur_engine::{Measures, Outcome};
use larkspur_store::Mode;

use crate::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::problem::{AnyRefusal, Problem};
use crate::server::Server;

/// Shows the metrics in the text format of Prometheus.
///
/// Needs an admin token or one of the role `metrics`, unless the setting `metrics.public` is on.
#[utoipa::path(get, path = "/metrics",
    operation_id = "show_metrics", tag = "platform",
    responses((status = 200, description = "All metrics.", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"), AnyRefusal))]
pub(crate) async fn show(State(server): State<Arc<Server>>) -> Result<Response, Problem> {
    let mut text = Exposition::default();
    let measures = server.engine.measures();
    platform(&mut text, &measures);
    process::write(&mut text);
    events(&mut text, &server, &measures);
    calls(&mut text, &server);
    queue::write(&mut text, &server, &measures).await;
    pushes(&mut text, &measures);
    sessions(&mut text, &server);
    store(&mut text, &measures);
    clock(&mut text, &server);
    requests(&mut text, &server);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text.finish()).into_response())
}

fn platform(text: &mut Exposition, measures: &Measures) {
    text.gauge(
        "process_start_time_seconds",
        "When the platform started, in seconds since 1970.",
        measures.started_at.as_secs_f64(),
    );
    text.family(
        "larkspur_build_info",
        Kind::Gauge,
        "Always 1; the label is the version.",
    );
    text.sample("larkspur_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn events(text: &mut Exposition, server: &Server, measures: &Measures) {
    let counts = server.engine.counters();
    for (name, help, value) in [
        (
            "larkspur_events_accepted_total",
            "Events accepted.",
            counts.events_accepted,
        ),
        (
            "larkspur_events_repeated_total",
            "Events published again, for which nothing new was made.",
            counts.events_repeated,
        ),
        (
            "larkspur_events_refused_total",
            "Events refused after they were understood; requests_refused has the others.",
            counts.events_refused,
        ),
        (
            "larkspur_deliveries_total",
            "Deliveries made from accepted events.",
            counts.deliveries,
        ),
        (
            "larkspur_deliveries_delivered_total",
            "Deliveries that an app took.",
            counts.attempts_delivered,
        ),
        (
            "larkspur_deliveries_retried_total",
            "Times a delivery failed and was put off to a later try.",
            counts.deliveries_retried,
        ),
        (
            "larkspur_deliveries_dead_total",
            "Deliveries given up.",
            counts.deliveries_dead,
        ),
        (
            "larkspur_events_trimmed_total",
            "Events deleted because they were old or too many.",
            counts.events_trimmed,
        ),
    ] {
        text.counter(name, help, value);
    }
    for (name, help, reading) in [
        (
            "larkspur_accept_seconds",
            "From a publish to its commit, one event or a batch.",
            &measures.accepted_after,
        ),
        (
            "larkspur_delivery_seconds",
            "From an event's commit to its receipt by an app, retries included.",
            &measures.delivered_after,
        ),
    ] {
        text.family(name, Kind::Histogram, help);
        text.histogram(name, &[], reading);
    }
}

fn calls(text: &mut Exposition, server: &Server) {
    let counts = server.engine.counters();
    text.family("larkspur_calls_total", Kind::Counter, "Callbacks by how they ended.");
    for (outcome, count) in [
        ("answered", counts.calls_answered),
        ("failed", counts.calls_failed),
        ("refused", counts.calls_refused),
    ] {
        text.sample("larkspur_calls_total", &[("outcome", outcome)], count);
    }
}

fn pushes(text: &mut Exposition, measures: &Measures) {
    text.family(
        "larkspur_push_attempts_total",
        Kind::Counter,
        "Pushes by mode and by how they ended.",
    );
    for push in &measures.pushes {
        for (outcome, count) in push.outcomes {
            let labels = [("mode", mode(push.mode)), ("outcome", name_of(outcome))];
            text.sample("larkspur_push_attempts_total", &labels, count);
        }
    }
    text.counter(
        "larkspur_answers_cut_total",
        "Webhook answers not read to their end, for their size or time.",
        measures.answers_cut,
    );
    text.family(
        "larkspur_push_seconds",
        Kind::Histogram,
        "From a push to its answer or its deadline, by mode.",
    );
    for push in &measures.pushes {
        text.histogram("larkspur_push_seconds", &[("mode", mode(push.mode))], &push.took);
    }
}

fn sessions(text: &mut Exposition, server: &Server) {
    let counts = server.engine.hub().counts();
    text.gauge(
        "larkspur_sessions_open",
        "Live persistent connections.",
        counts.sessions_opened.saturating_sub(counts.sessions_closed),
    );
    for (name, help, value) in [
        (
            "larkspur_sessions_opened_total",
            "Persistent connections begun.",
            counts.sessions_opened,
        ),
        (
            "larkspur_frames_malformed_total",
            "Binary messages from clients that are no frames.",
            counts.frames_malformed,
        ),
        (
            "larkspur_frames_ignored_total",
            "Messages from clients of kinds that mean nothing here.",
            counts.frames_ignored,
        ),
        (
            "larkspur_acks_unmatched_total",
            "Acks that nobody waited for: late, repeated or invented.",
            counts.acks_unmatched,
        ),
        (
            "larkspur_replies_dropped_total",
            "Pongs not sent because the client did not read.",
            counts.replies_dropped,
        ),
    ] {
        text.counter(name, help, value);
    }
    text.family(
        "larkspur_sessions_refused_total",
        Kind::Counter,
        "Persistent connections refused, by reason.",
    );
    for (reason, count) in [
        ("over_limit", counts.refused_over_limit),
        ("bad_ticket", counts.refused_bad_ticket),
    ] {
        text.sample("larkspur_sessions_refused_total", &[("reason", reason)], count);
    }
}

fn clock(text: &mut Exposition, server: &Server) {
    text.counter(
        "larkspur_clock_set_back_total",
        "Times the clock was found set back by a second or more.",
        server.engine.counters().clock_set_back,
    );
}

fn store(text: &mut Exposition, measures: &Measures) {
    const COMMITS: &str = "larkspur_store_commit_seconds";
    text.family(
        COMMITS,
        Kind::Histogram,
        "How long commits took, syncing to disk included.",
    );
    text.histogram(COMMITS, &[], &measures.writing.commits);
    text.counter(
        "larkspur_store_failures_total",
        "Writes that failed; the log says why.",
        measures.writing.failed,
    );
    text.counter(
        "larkspur_store_writes_total",
        "Writes that the commits carried.",
        measures.writing.jobs,
    );
    text.gauge(
        "larkspur_attempts_unsettled",
        "Attempts that wait to be written down.",
        measures.unsettled,
    );
}

fn requests(text: &mut Exposition, server: &Server) {
    const REFUSED: &str = "larkspur_requests_refused_total";
    text.family(
        REFUSED,
        Kind::Counter,
        "Requests and lines of batches refused, by code.",
    );
    for (code, count) in server.refusals() {
        text.sample(REFUSED, &[("code", &code)], count);
    }
    text.counter(
        "larkspur_requests_malformed_total",
        "Connections ended because what came is no HTTP.",
        server.malformed(),
    );
    text.counter(
        "larkspur_accepts_failed_total",
        "Times no connection could be accepted, mostly for want of file descriptors.",
        server.accepts_failed(),
    );
    text.gauge(
        "larkspur_connections_open",
        "Connections open, persistent ones among them.",
        server.connections_open(),
    );
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Webhook => "webhook",
        Mode::Websocket => "websocket",
    }
}

fn name_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Refused => "refused",
        Outcome::Unanswered => "unanswered",
        Outcome::NotSent => "not_sent",
    }
}
