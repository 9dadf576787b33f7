//! One delivery: rendered for its app, pushed by its mode, settled.

use std::time::Duration;

use bytes::Bytes;
use larkspur_platform::{
    Audience, Ending, LEASE, RetryBody, RetryConnection, RetryMessageId, Subject, check, next_try, push_seed, render,
};
use larkspur_store::{App, Attempt, Mode, Settlement, Verdict};
use larkspur_wire::{TimestampMs, hex};
use tracing::Instrument;

use crate::activity::Activity;
use crate::counters::count;
use crate::engine::Engine;
use crate::hub::{SessionId, SessionPush};
use crate::leased::Leased;
use crate::publish::mode;
use crate::push::Pushed;
use crate::settle::Settled;
use crate::webhook::WebhookPush;

/// The log keeps this much of an answer: enough for an error page's message.
const ANSWER_LOGGED_MAX: usize = 1_024;

/// A push that has begun. One that breaks off gives its slot back too, and the lease runs out on disk.
struct Flight<'a> {
    engine: &'a Engine,
    leased: &'a Leased,
    landed: bool,
}

/// A push that was not even tried: the app is gone, or may not have the event any more.
struct Hopeless(String);

impl Engine {
    /// Takes the place that was reserved for a delivery of an event that was accepted just now.
    pub(crate) fn enter(&self, leased: Leased) {
        if !self.flights().lease(leased.id, leased.generation) {
            // The clock was moved past its lease, and it was claimed, before it could take its place.
            return self.give_back(&leased.app_id);
        }
        let (app_id, bytes) = (leased.app_id.clone(), leased.bytes());
        let start = self.flights().scheduler().enter(&app_id, leased, bytes);
        if let Some(leased) = start {
            self.push_soon(leased);
        }
    }

    /// Pushes a delivery, and then those of its app that wait for its slot.
    pub(crate) fn push_soon(&self, leased: Leased) {
        let engine = self.clone();
        // In a box: what waits for an answer is some kilobytes, and spawning moves it several times.
        self.spawn(Box::pin(async move {
            let mut next = Some(leased);
            while let Some(leased) = next {
                let span = leased.span();
                next = engine.deliver(leased).instrument(span).await;
            }
        }));
    }

    /// Pushes a delivery; answers what its slot is for next.
    async fn deliver(&self, leased: Leased) -> Option<Leased> {
        if self.stopping().is_cancelled() {
            return None;
        }
        let mut flight = Flight {
            engine: self,
            leased: &leased,
            landed: false,
        };
        let started_at = self.clock().now();
        let tried = self.attempt(&leased, started_at).await;
        let ended_at = self.clock().now();
        let number = leased.attempts_before.saturating_add(1);
        let (pushed, verdict) = match tried {
            Ok(pushed) => {
                let verdict = self.verdict(&leased, &pushed, number, ended_at);
                (pushed, verdict)
            }
            Err(Hopeless(why)) => (not_tried(why), Verdict::Dead),
        };
        let ending = pushed.ending();
        self.conclude(&leased, pushed, verdict, number, started_at).await;
        flight.landed = true;
        self.land(&leased, ending)
    }

    /// Gives a slot back; answers the app's next delivery, which has it now. When the app can take more, another is
    /// pushed beside it.
    fn land(&self, leased: &Leased, ending: Ending) -> Option<Leased> {
        let flights = self.flights();
        let now = flights.now(self.clock().now());
        let [next, beside] = flights.change(|lanes| lanes.ended(&leased.app_id, leased.bytes(), ending, now));
        if let Some(beside) = beside {
            self.push_soon(beside);
        }
        next
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
                let endpoint = self
                    .webhook()
                    .endpoint(url)
                    .map_err(|error| Hopeless(error.to_string()))?;
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
        let own = self
            .apps()
            .get(&leased.app_id)
            .and_then(|app| app.delivery.retry_seconds.clone());
        let next = next_try(
            own.as_deref().unwrap_or(&settings.delivery.retry_seconds),
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
            generation: leased.generation,
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
            in_order: leased.in_order,
        };
        let app_id = leased.app_id.clone();
        self.settle(Settled { app_id, settlement }).await;
        self.announce(|| Activity::Attempted {
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

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let Self { engine, leased, .. } = self;
        engine.flights().leave(leased.id);
        let now = engine.clock().now();
        engine.flights().due([(&leased.app_id, now.saturating_add(LEASE))], now);
        if let Some(next) = engine.land(leased, Ending::Refused) {
            engine.push_soon(next);
        }
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
