//! Publishing: who gets the event is planned, and everything is on disk before the producer is answered.

mod answer;
mod audience;
mod places;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use larkspur_platform::{Audience, LEASE, Plan, Publication, PublishError, Subject, binds, order_key};
use larkspur_store::{Accepted, App, BindingKey, DeliveryId, EventRow, Mode, NewDelivery, NewEvent, Start, StoreError};
use larkspur_wire::{AppId, EventId, TimestampMs};
use tokio::task::yield_now;

use crate::activity::Activity;
use crate::counters::{add, count};
use crate::engine::Engine;
use crate::leased::Leased;
use crate::registry::Apps;
use crate::resource::Subscribed;
use answer::explanations;
use places::Places;

pub use answer::{ExplainedVerdict, Explanation, Published, PublishedDelivery};

/// So many deliveries of a batch are begun before what was begun goes on. Most events have no more apps than that.
const WAVE: usize = 4;

/// One event of a batch, planned and handed over to be stored.
struct Prepared {
    row: Arc<EventRow>,
    deliveries: Vec<NewDelivery>,
    plan: Plan,
    explanations: Option<Vec<Explanation>>,
    /// Why it is refused unless it was accepted before.
    refusal: Option<PublishError>,
}

impl Engine {
    /// Publishes a batch, durably: what is answered with success survives a crash.
    ///
    /// Each event is answered for itself, in the order given; one that is refused never fails another.
    pub async fn publish(
        &self,
        publications: Vec<Publication<'_>>,
        explain: bool,
    ) -> Result<Vec<Result<Published, PublishError>>, StoreError> {
        let started = Instant::now();
        let mut bound_here = HashMap::new();
        let mut places = Places::new(self.clone());
        let mut prepared = Vec::with_capacity(publications.len());
        let mut events = Vec::with_capacity(publications.len());
        for publication in publications {
            let one = self.prepare(publication, explain, &mut bound_here, &mut places);
            prepared.push(one.await?.map(|(event, one)| {
                events.push(event);
                one
            }));
        }
        let engine = self.clone();
        let store = async move { engine.store_all(events, prepared, places, started).await };
        // In a task of its own: a producer that goes away now would leave what is stored to its lease.
        let stored = self.spawn(store).await;
        stored.unwrap_or(Err(StoreError::Closed))
    }

    /// Stores events, and lets their deliveries take their places.
    async fn store_all(
        &self,
        events: Vec<NewEvent>,
        prepared: Vec<Result<Prepared, PublishError>>,
        places: Places,
        started: Instant,
    ) -> Result<Vec<Result<Published, PublishError>>, StoreError> {
        let mut accepted = self.store().accept(events).await?.into_iter();
        places.handed_over();
        self.metrics().accepted_after.add(started.elapsed());
        let mut leased = Vec::new();
        let finish = |one: Result<Prepared, PublishError>| {
            let one = one?;
            let accepted = accepted.next().unwrap_or(Accepted::Conflict);
            self.finish(one, accepted, &mut leased)
        };
        let answers: Vec<_> = prepared.into_iter().map(finish).collect();
        add(
            &self.counts().events_refused,
            answers.iter().filter(|answer| answer.is_err()).count() as u64,
        );
        self.begin(leased).await;
        Ok(answers)
    }

    /// Lets deliveries take their places, some at a time: what they have begun ends between, while its connections are
    /// still in the processor's caches. The producer is answered after the last, so that one with many apps cannot
    /// publish faster than they are pushed to.
    async fn begin(&self, deliveries: Vec<Leased>) {
        for (idx, leased) in deliveries.into_iter().enumerate() {
            if idx > 0 && idx % WAVE == 0 {
                yield_now().await;
            }
            self.enter(leased);
        }
    }

    async fn prepare(
        &self,
        publication: Publication<'_>,
        explain: bool,
        bound_here: &mut HashMap<BindingKey, AppId>,
        places: &mut Places,
    ) -> Result<Result<(NewEvent, Prepared), PublishError>, StoreError> {
        let audience = match self.audience(&publication, bound_here).await? {
            Ok(audience) => audience,
            // What was accepted under this id before is answered as it was, whatever became of its app since.
            Err(refusal) if publication.event_id.is_some() => {
                let asked = self.planned(publication, Plan::default(), None, Vec::new(), places);
                let (mut event, mut one) = asked.await;
                (event.known_only, one.refusal) = (true, Some(refusal));
                return Ok(Ok((event, one)));
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        let apps = self.apps();
        let (plan, explanations) = self.plan(&publication, &audience, &apps, explain);
        let binds = match (&audience, plan.deliveries.is_empty()) {
            (Audience::Only(app_id), false) => binds(&publication)
                .into_iter()
                .map(|key| (key, app_id.clone()))
                .collect(),
            _ => Vec::new(),
        };
        bound_here.extend(binds.iter().cloned());
        Ok(Ok(self.planned(publication, plan, explanations, binds, places).await))
    }

    fn plan(
        &self,
        publication: &Publication<'_>,
        audience: &Audience,
        apps: &Apps,
        explain: bool,
    ) -> (Plan, Option<Vec<Explanation>>) {
        let subscribed = Subscribed::of(&self.settings().publish, publication, apps);
        let subject = Subject {
            event_type: &publication.event_type,
            facts: publication.facts,
            tenant_key: publication.tenant_key.as_ref(),
            audience,
            resource_subscribed: subscribed.as_ref().map(|subscribed| subscribed as _),
        };
        let plan = Plan::new(&subject, apps.iter());
        let explanations = explain.then(|| explanations(&subject, &plan));
        (plan, explanations)
    }

    async fn planned(
        &self,
        publication: Publication<'_>,
        plan: Plan,
        explanations: Option<Vec<Explanation>>,
        binds: Vec<(BindingKey, AppId)>,
        places: &mut Places,
    ) -> (NewEvent, Prepared) {
        let now = self.clock().now();
        let (key, digest) = (order_key(&publication), publication.digest());
        let row = EventRow {
            id: publication.event_id.clone().unwrap_or_else(|| new_event_id(now)),
            event_type: publication.event_type.clone(),
            tenant_key: publication.tenant_key.clone(),
            create_time: publication.create_time.unwrap_or(now),
            accepted_at: now,
            payload: publication.payload.into_json().into(),
        };
        let mut deliveries = Vec::with_capacity(plan.deliveries.len());
        for (planned, id) in plan.deliveries.iter().zip(new_delivery_ids(now)) {
            deliveries.push(NewDelivery {
                id,
                app_id: planned.app.id.clone(),
                withheld: planned.withheld.clone(),
                start: places.start(&planned.app.id, key.as_ref(), now).await,
            });
        }
        let event = NewEvent {
            id: row.id.clone(),
            event_type: row.event_type.clone(),
            tenant_key: row.tenant_key.clone(),
            create_time: row.create_time,
            accepted_at: now,
            payload: row.payload.clone(),
            digest,
            deliveries: deliveries.clone(),
            lease_until: now.saturating_add(LEASE),
            binds,
            known_only: false,
        };
        let one = Prepared {
            row: Arc::new(row),
            deliveries,
            plan,
            explanations,
            refusal: None,
        };
        (event, one)
    }

    /// The answer for an event; what is to be pushed from memory goes to the others in `leased`.
    fn finish(&self, one: Prepared, accepted: Accepted, leased: &mut Vec<Leased>) -> Result<Published, PublishError> {
        let Prepared {
            row,
            deliveries,
            plan,
            explanations,
            refusal,
        } = one;
        if accepted != Accepted::New {
            let unused = deliveries.iter().filter(|one| one.start == Start::Leased);
            unused.for_each(|one| self.give_back(&one.app_id));
        }
        let ids = |deliveries: &[NewDelivery]| deliveries.iter().map(|one| (one.id, one.app_id.clone())).collect();
        let conflict = || PublishError::Conflict {
            event_id: row.id.clone(),
        };
        let (made, repeated) = match accepted {
            Accepted::New => (ids(&deliveries), false),
            Accepted::Repeated(made) => (made, true),
            Accepted::Conflict => return Err(conflict()),
            Accepted::Unknown => return Err(refusal.unwrap_or_else(conflict)),
        };
        let answer = Published {
            event_id: row.id.clone(),
            event_type: row.event_type.clone(),
            repeated,
            deliveries: self.published(made),
            refused: plan.refused_by_gate(),
            explanations,
            warnings: plan.warnings,
        };
        if repeated {
            count(&self.counts().events_repeated);
            return Ok(answer);
        }
        count(&self.counts().events_accepted);
        add(&self.counts().deliveries, deliveries.len() as u64);
        self.announce(|| Activity::Published {
            event_id: row.id.clone(),
            event_type: row.event_type.clone(),
            deliveries: deliveries.len(),
        });
        for delivery in deliveries {
            match delivery.start {
                Start::Leased => leased.push(Leased::first(delivery, Arc::clone(&row))),
                Start::Due | Start::InOrder { .. } => {
                    self.flights()
                        .due([(&delivery.app_id, row.accepted_at)], row.accepted_at);
                }
            }
        }
        Ok(answer)
    }

    fn published(&self, made: Vec<(DeliveryId, AppId)>) -> Vec<PublishedDelivery> {
        let apps = self.apps();
        let published = |(delivery_id, app_id)| PublishedDelivery {
            delivery_id,
            mode: apps.get(&app_id).map_or_else(Mode::default, |app| mode(app)),
            online: self.hub().online(&app_id),
            app_id,
        };
        made.into_iter().map(published).collect()
    }
}

/// An id that sorts by time, so that the store's index of ids grows at its end; ten of its bytes are random.
fn new_event_id(now: TimestampMs) -> EventId {
    let mut id: [u8; 16] = crate::random::bytes();
    let [_, _, milliseconds @ ..] = now.0.to_be_bytes();
    id[..milliseconds.len()].copy_from_slice(&milliseconds);
    EventId::mint(id)
}

/// Ids for the deliveries of one event, each the one after the last, so that they are in the order of its plan.
fn new_delivery_ids(now: TimestampMs) -> impl Iterator<Item = DeliveryId> {
    let milliseconds = u64::try_from(now.0).unwrap_or_default();
    let first = uuid::Builder::from_unix_timestamp_millis(milliseconds, &crate::random::bytes()).into_uuid();
    (first.as_u128()..).map(DeliveryId)
}

/// How an app receives its events.
pub(crate) fn mode(app: &App) -> Mode {
    app.published
        .as_ref()
        .map(|version| version.config.events.mode)
        .unwrap_or_default()
}
