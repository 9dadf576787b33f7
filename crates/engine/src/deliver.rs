//! One delivery: rendered for its app, pushed by its mode, settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use larkspur_platform::{
    Audience, RetryBody, RetryConnection, RetryMessageId, Subject, check, next_try, push_seed, render,
};
use larkspur_store::{App, Attempt, Claim, DeliveryId, EventRow, Mode, NewDelivery, Settlement, Verdict};
use larkspur_wire::{AppId, TimestampMs, hex};
use tracing::Instrument;

use crate::activity::Activity;
use crate::counters::count;
use crate::engine::Engine;
use crate::hub::{SessionId, SessionPush};
use crate::publish::mode;
use crate::push::Pushed;
use crate::webhook::{Endpoint, WebhookPush};

/// The log keeps this much of an answer: enough for an error page's message.
const ANSWER_LOGGED_MAX: usize = 1_024;

/// A delivery that this node has leased.
#[derive(Debug)]
pub(crate) struct Leased {
    id: DeliveryId,
    app_id: AppId,
    withheld: Vec<String>,
    attempts_before: u32,
    generation: u32,
    event: Arc<EventRow>,
    /// When it was accepted, if that was in this process.
    since: Option<Instant>,
}

impl Leased {
    /// A delivery that was accepted just now.
    pub(crate) fn first(delivery: NewDelivery, event: Arc<EventRow>) -> Self {
        let NewDelivery { id, app_id, withheld } = delivery;
        Self {
            id,
            app_id,
            withheld,
            attempts_before: 0,
            generation: 1,
            event,
            since: Some(Instant::now()),
        }
    }

    /// A delivery that was claimed because it is due.
    pub(crate) fn again(claim: Claim) -> Self {
        let Claim { delivery, event } = claim;
        Self {
            id: delivery.id,
            app_id: delivery.app_id,
            withheld: delivery.withheld,
            attempts_before: delivery.attempts,
            generation: delivery.generation,
            event: Arc::new(event),
            since: None,
        }
    }

    /// How long ago the event was accepted: to the microsecond, or for an older one to the millisecond.
    fn age(&self, now: TimestampMs) -> Duration {
        let age_ms = u64::try_from(now.0.saturating_sub(self.event.accepted_at.0)).unwrap_or_default();
        self.since
            .map_or(Duration::from_millis(age_ms), |since| since.elapsed())
    }

    /// Names what is done for this delivery in logs and traces. Never the payload.
    fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "push",
            event.id = %self.event.id,
            delivery.id = %self.id,
            app.id = %self.app_id,
            attempt = self.attempts_before.saturating_add(1),
        )
    }
}

/// A push that was not even tried: the app is gone, or may not have the event any more.
struct Hopeless(String);

impl Engine {
    /// Pushes a delivery as soon as its app has a free slot. What does not fit in memory is claimed again when its
    /// lease has run out.
    pub(crate) fn push_soon(&self, leased: Leased) {
        if self.flights().enter(leased.id, leased.generation) {
            let engine = self.clone();
            let span = leased.span();
            self.spawn(async move { engine.deliver(leased).await }.instrument(span));
        }
    }

    async fn deliver(&self, leased: Leased) {
        let slots = self.flights().slots(&leased.app_id);
        let slot = tokio::select! {
            biased;
            () = self.stopping().cancelled() => return,
            slot = slots.acquire() => slot,
        };
        let started_at = self.clock().now();
        let tried = self.attempt(&leased, started_at).await;
        drop(slot);
        let ended_at = self.clock().now();
        let number = leased.attempts_before.saturating_add(1);
        let (pushed, verdict) = match tried {
            Ok(pushed) => {
                let verdict = self.verdict(&leased, &pushed, number, ended_at);
                (pushed, verdict)
            }
            Err(Hopeless(why)) => (not_tried(why), Verdict::Dead),
        };
        self.conclude(&leased, pushed, verdict, number, started_at).await;
    }

    async fn attempt(&self, leased: &Leased, started_at: TimestampMs) -> Result<Pushed, Hopeless> {
        let apps = self.apps();
        let app = apps
            .get(&leased.app_id)
            .ok_or_else(|| Hopeless("the app was deleted".to_owned()))?;
        let body = self.body(leased, app)?;
        let assumptions = &self.settings().assumptions;
        let number = leased.attempts_before + 1;
        match mode(app) {
            Mode::Websocket => {
                let keep = assumptions.retry_message_id == RetryMessageId::Keep;
                let seed = push_seed(app, leased.id, if keep { 0 } else { number });
                let push = SessionPush {
                    event_id: leased.event.id.clone(),
                    message_id: hex(&seed[..16]).parse().ok(),
                    payload: body,
                    timeout: self.settings().delivery.push_timeout(),
                    previous: self.previous_session(leased).await,
                };
                Ok(self.hub().push(&app.id, push).await)
            }
            Mode::Webhook => {
                let url = app
                    .event_url
                    .as_deref()
                    .ok_or_else(|| Hopeless("the app has no request URL".to_owned()))?;
                let endpoint = Endpoint::parse(url).map_err(|error| Hopeless(error.to_string()))?;
                let (attempt, signed_at) = match assumptions.retry_body {
                    RetryBody::Fresh => (number, started_at),
                    RetryBody::Identical => (0, leased.event.accepted_at),
                };
                let push = WebhookPush {
                    body,
                    seed: push_seed(app, leased.id, attempt),
                    signed_at,
                };
                Ok(self.webhook().post(app, &endpoint, push).await)
            }
        }
    }

    /// The envelope for the app. What the app lost since the event was accepted it does not get: a retry walks the
    /// gates again, and hides what may no longer be seen.
    fn body(&self, leased: &Leased, app: &App) -> Result<Bytes, Hopeless> {
        let event = &leased.event;
        let event_type = event.event_type.as_str();
        let facts = self.catalog().find(event_type);
        let facts = facts.ok_or_else(|| Hopeless(format!("the catalogue has no `{event_type}` any more")))?;
        let mut withheld = leased.withheld.clone();
        if leased.attempts_before > 0 {
            let subject = Subject {
                event_type: &event.event_type,
                facts,
                tenant_key: event.tenant_key.as_ref(),
                audience: &Audience::Everyone,
                resource_subscribed: None,
            };
            check(&subject, app).map_err(|refusal| Hopeless(format!("{}: {}", refusal.gate, refusal.reason)))?;
            let scopes = app.published.as_ref().map(|version| &version.config.scopes);
            let held = |scope: &str| scopes.is_some_and(|scopes| scopes.contains(scope));
            withheld.extend(facts.withheld_paths(&held).into_iter().map(str::to_owned));
        }
        let instead = self.settings().assumptions.withheld_field;
        let body = render(event, app, facts.schema, &withheld, instead).map_err(|error| Hopeless(error.to_string()))?;
        Ok(body.into())
    }

    /// The session of the attempt before, when a retry is to go there.
    async fn previous_session(&self, leased: &Leased) -> Option<SessionId> {
        let same = self.settings().assumptions.retry_connection == RetryConnection::Same;
        if !same || leased.attempts_before == 0 {
            return None;
        }
        self.store().attempts(leased.id).await.ok()?.last()?.target.parse().ok()
    }

    fn verdict(&self, leased: &Leased, pushed: &Pushed, number: u32, ended_at: TimestampMs) -> Verdict {
        if pushed.outcome.is_ok() {
            return Verdict::Delivered;
        }
        let settings = self.settings();
        let first = leased.event.accepted_at;
        let next = next_try(
            &settings.delivery,
            settings.assumptions.retry_from,
            number,
            first,
            ended_at,
        );
        next.map_or(Verdict::Dead, Verdict::Again)
    }

    fn measure(&self, leased: &Leased, pushed: &Pushed, verdict: Verdict) {
        let counts = self.counts();
        self.metrics().pushed(pushed);
        count(match pushed.outcome {
            Ok(()) => &counts.attempts_delivered,
            Err(_) => &counts.attempts_failed,
        });
        match verdict {
            Verdict::Delivered => self.metrics().delivered_after.add(leased.age(self.clock().now())),
            Verdict::Again(_) => count(&counts.deliveries_retried),
            Verdict::Dead => count(&counts.deliveries_dead),
        }
        let (code, took_ms) = (pushed.code, pushed.took.as_millis());
        match &pushed.outcome {
            Ok(()) => tracing::debug!(code, took_ms, "delivered"),
            Err(why) => tracing::info!(code, took_ms, dead = verdict == Verdict::Dead, "not delivered: {why}"),
        }
    }

    async fn conclude(&self, leased: &Leased, pushed: Pushed, verdict: Verdict, number: u32, started_at: TimestampMs) {
        self.measure(leased, &pushed, verdict);
        let Pushed {
            mode,
            target,
            code,
            took,
            answer,
            outcome,
        } = pushed;
        let error = outcome.err();
        let settlement = Settlement {
            delivery: leased.id,
            generation: self.flights().leave(leased.id),
            attempt: Attempt {
                number,
                started_at,
                mode,
                target: target.clone(),
                code,
                took,
                answer: first_bytes(answer),
                error: error.clone(),
            },
            verdict,
        };
        self.settle(settlement).await;
        self.announce(Activity::Attempted {
            event_id: leased.event.id.clone(),
            event_type: leased.event.event_type.clone(),
            app_id: leased.app_id.clone(),
            mode,
            target,
            attempt: number,
            code,
            took,
            error,
            next_try: if let Verdict::Again(at) = verdict {
                Some(at)
            } else {
                None
            },
            dead: verdict == Verdict::Dead,
        });
    }
}

/// What the log keeps of an answer; a copy, so that the rest of a large one is let go.
fn first_bytes(answer: Bytes) -> Bytes {
    match answer.get(..ANSWER_LOGGED_MAX) {
        Some(first) => Bytes::copy_from_slice(first),
        None => answer,
    }
}

fn not_tried(why: String) -> Pushed {
    Pushed {
        mode: Mode::default(),
        target: String::new(),
        code: None,
        took: Duration::ZERO,
        answer: Bytes::new(),
        outcome: Err(why),
    }
}
