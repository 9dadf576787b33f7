//! The gates against the same rules told another way, for random apps and events.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use larkspur_catalog::{AppType, Catalog, EventTypeFacts, ScopeRule};
use larkspur_platform::{Audience, Gate, Plan, ResourceSubscribed, Subject, check};
use larkspur_store::{App, AppConfig, AppDelivery, AppKind, AppVersion, Mode, Subscriptions};
use larkspur_wire::{AppId, Scope, TenantKey, TimestampMs};
use proptest::prelude::*;

const TENANTS: [&str; 2] = ["t1", "t2"];

/// An app as the dice have it, allowed or not: the gates must not rely on what the rules of managing apps keep out.
#[expect(clippy::struct_excessive_bools, reason = "each is one die")]
#[derive(Clone, Debug)]
struct Dice {
    is_store: bool,
    is_webhook: bool,
    has_url: bool,
    tenants: [bool; 2],
    is_published: bool,
    subscribes: bool,
    drafts: bool,
    /// Which of the scopes that matter it holds, bit by bit.
    scopes: u64,
    is_resource_subscribed: bool,
}

fn dice() -> impl Strategy<Value = Dice> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<[bool; 2]>());
    let more = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        any::<bool>(),
        any::<u64>(),
        any::<bool>(),
    );
    (flags, more).prop_map(|((is_store, is_webhook, has_url, tenants), more)| Dice {
        is_store,
        is_webhook,
        has_url,
        tenants,
        is_published: more.0,
        subscribes: more.1,
        drafts: more.2,
        scopes: more.3,
        is_resource_subscribed: more.4,
    })
}

fn app(n: usize, dice: &Dice, facts: &EventTypeFacts) -> App {
    let tenants = TENANTS.iter().zip(dice.tenants).filter(|(_, has)| *has);
    let types = |has: bool| has.then(|| facts.event_type.parse().unwrap()).into_iter().collect();
    let mode = if dice.is_webhook {
        Mode::Webhook
    } else {
        Mode::Websocket
    };
    let matter = match &facts.scopes {
        ScopeRule::AnyOf(scopes) => scopes.iter().collect(),
        _ => Vec::new(),
    };
    let of_fields = facts.fields.iter().flat_map(|field| &field.scopes);
    let matter: BTreeSet<&String> = matter.into_iter().chain(of_fields).collect();
    let held = |(idx, scope): (usize, &String)| (dice.scopes >> (idx % 64) & 1 == 1).then(|| scope.parse().unwrap());
    let held: BTreeSet<Scope> = matter.into_iter().enumerate().filter_map(held).collect();
    let config = |has: bool| AppConfig {
        events: Subscriptions {
            mode,
            types: types(has),
        },
        scopes: held.clone(),
        ..AppConfig::default()
    };
    App {
        id: AppId::mint([u8::try_from(n).unwrap(); 8]),
        name: "app".to_owned(),
        kind: if dice.is_store { AppKind::Store } else { AppKind::Custom },
        app_secret: "secret".into(),
        verification_token: "token".into(),
        encrypt_key: "".into(),
        tenants: tenants.map(|(tenant, _)| tenant.parse().unwrap()).collect(),
        event_url: dice.has_url.then(|| "https://a.b/".to_owned()),
        callback_url: None,
        allow_private_addresses: false,
        delivery: AppDelivery::default(),
        draft: config(dice.drafts),
        published: dice.is_published.then(|| AppVersion {
            number: 1,
            published_at: TimestampMs(0),
            config: config(dice.subscribes),
        }),
        created_at: TimestampMs(0),
    }
}

/// Each gate as one condition, in order; the first that does not hold says no.
fn expected(dice: &Dice, app: &App, facts: &EventTypeFacts, subject: &Subject<'_>) -> Option<Gate> {
    let kind = if dice.is_store { AppType::Store } else { AppType::Custom };
    let config = app.published.as_ref().map(|version| &version.config);
    let holds_any = |scopes: &[String]| {
        config.is_some_and(|config| scopes.iter().any(|scope| config.scopes.contains(scope.as_str())))
    };
    let conditions = [
        (
            Gate::Audience,
            *subject.audience == Audience::Everyone || *subject.audience == Audience::Only(app.id.clone()),
        ),
        (
            Gate::AppType,
            facts.app_types.as_ref().is_none_or(|types| types.contains(&kind)),
        ),
        (
            Gate::Installed,
            subject.tenant_key.is_none_or(|tenant| app.tenants.contains(tenant)),
        ),
        (Gate::Published, dice.is_published),
        (
            Gate::Subscribed,
            (facts.auto_subscribed || dice.subscribes) && (dice.has_url || !dice.is_webhook),
        ),
        (
            Gate::Scope,
            match &facts.scopes {
                ScopeRule::AnyOf(scopes) => holds_any(scopes),
                _ => true,
            },
        ),
        (
            Gate::ResourceSubscription,
            subject.resource_subscribed.is_none() || dice.is_resource_subscribed,
        ),
    ];
    conditions.into_iter().find(|(_, holds)| !holds).map(|(gate, _)| gate)
}

#[derive(Debug)]
struct These(BTreeSet<AppId>);

impl ResourceSubscribed for These {
    fn contains(&self, app: &AppId) -> bool {
        self.0.contains(app)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_app_gets_the_verdict_of_its_own_gates_and_only_one(
        which in any::<prop::sample::Index>(),
        dice in prop::collection::vec(dice(), 1..8),
        tenant in 0..3_usize,
        only in prop::option::of(0..8_usize),
        asks_for_resource in any::<bool>(),
    ) {
        let all: Vec<_> = Catalog::embedded().iter().collect();
        let facts = *which.get(&all);
        let apps: Vec<_> = dice.iter().enumerate().map(|(n, dice)| Arc::new(app(n, dice, facts))).collect();
        let tenant_key: Option<TenantKey> = TENANTS.get(tenant).map(|tenant| tenant.parse().unwrap());
        let audience = only.and_then(|only| apps.get(only)).map_or(Audience::Everyone, |app| Audience::Only(app.id.clone()));
        let subscribed = apps.iter().zip(&dice).filter(|(_, dice)| dice.is_resource_subscribed);
        let subscribed = These(subscribed.map(|(app, _)| app.id.clone()).collect());
        let event_type = facts.event_type.parse().unwrap();
        let subject = Subject {
            event_type: &event_type,
            facts,
            tenant_key: tenant_key.as_ref(),
            audience: &audience,
            resource_subscribed: asks_for_resource.then_some(&subscribed as _),
        };
        let plan = Plan::new(&subject, &apps);
        prop_assert_eq!(plan.deliveries.len() + plan.refused.len(), apps.len());
        for (app, dice) in apps.iter().zip(&dice) {
            let gets = plan.deliveries.iter().filter(|planned| planned.app.id == app.id).count();
            let refusals: Vec<_> = plan.refused.iter().filter(|(refused, _)| refused.id == app.id).collect();
            let planned = refusals.first().map(|(_, gate)| *gate);
            prop_assert_eq!(gets + refusals.len(), 1);
            prop_assert_eq!(planned, expected(dice, app, facts, &subject));
            // A retry walks the same gates.
            prop_assert_eq!(check(&subject, app).err().map(|refusal| refusal.gate), planned);
        }
        let n_refused: u32 = plan.refused_by_gate().values().sum();
        prop_assert_eq!(n_refused as usize, plan.refused.len());
    }
}
