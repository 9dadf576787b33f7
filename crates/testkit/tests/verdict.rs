//! What publishing does is what explaining says, for apps and events at random.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeMap;

use fastrand::Rng;
use larkspur_engine::{ExplainedVerdict, Published};
use larkspur_platform::{
    AppChange, Gate, NewApp, Publication, PublishError, Selection, SubscriptionChange, UnverifiedTypes,
};
use larkspur_store::{AppKind, DeliveryQuery, Mode};
use larkspur_testkit::{TENANT, TestPlatform};
use larkspur_wire::{AppId, EventType, Scope};
use serde_json::{Value, json};

const APPS: usize = 12;
const EVENTS: usize = 150;

/// Everything, or a random half.
fn some<T: Ord + Clone>(rng: &mut Rng, all: &[T]) -> Selection<T> {
    match rng.u8(..3) {
        0 => Selection::All,
        _ => Selection::These(all.iter().filter(|_| rng.bool()).cloned().collect()),
    }
}

/// An app as it may be; `None` when the rules do not allow such a one.
async fn random_app(platform: &TestPlatform, rng: &mut Rng) -> Option<AppId> {
    let catalog = platform.engine().catalog();
    let types: Vec<EventType> = catalog.iter().map(|facts| facts.event_type.parse().unwrap()).collect();
    let kind = [AppKind::Custom, AppKind::Store][rng.usize(..2)];
    let mode = [Mode::Webhook, Mode::Websocket][rng.usize(..2)];
    // An app holds everything at first, since a subscription needs its scopes; some lose them below.
    let config = AppChange {
        name: Some("random".to_owned()),
        tenants: Some([TENANT, "another"][rng.usize(..2)].parse().into_iter().collect()),
        scopes: Some(Selection::<Scope>::All),
        events: SubscriptionChange {
            mode: Some(mode),
            types: Some(some(rng, &types)),
            url: None,
        },
        ..AppChange::default()
    };
    let app = platform
        .engine()
        .create_app(NewApp { kind, id: None, config })
        .await
        .ok()?;
    if rng.bool() {
        let held: Vec<Scope> = app.draft.scopes.iter().cloned().collect();
        let change = AppChange {
            scopes: Some(Selection::These(held.into_iter().filter(|_| rng.bool()).collect())),
            ..AppChange::default()
        };
        platform.engine().update_app(&app.id, change).await.unwrap();
    }
    Some(app.id.clone())
}

async fn publish(platform: &TestPlatform, body: &Value, explain: bool) -> Result<Published, PublishError> {
    let (engine, body) = (platform.engine(), body.to_string());
    let settings = &engine.settings().publish;
    let publication = Publication::parse(body.as_bytes(), engine.catalog(), settings, UnverifiedTypes::Accept)?;
    engine.publish(vec![publication], explain).await.unwrap().pop().unwrap()
}

/// What was made, as the store has it: apps, and what each may not see.
async fn made(platform: &TestPlatform, published: &Published) -> BTreeMap<AppId, Vec<String>> {
    let query = DeliveryQuery {
        event_id: Some(published.event_id.clone()),
        limit: 1_000,
        ..DeliveryQuery::default()
    };
    let rows = platform.engine().store().deliveries(&query).await.unwrap().rows;
    rows.into_iter().map(|row| (row.app_id, row.withheld)).collect()
}

#[tokio::test]
async fn publishing_does_what_explaining_says() {
    let given = std::env::var("LARKSPUR_TEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |given| given.parse().unwrap());
    println!("repeat this run with LARKSPUR_TEST_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let platform = TestPlatform::with(|settings| settings.publish.resource_subscriptions = rng.bool()).await;
    let mut apps = Vec::new();
    while apps.len() < APPS {
        apps.extend(random_app(&platform, &mut rng).await);
    }
    let types: Vec<_> = platform.engine().catalog().iter().collect();
    let (mut refusals, mut n_made) = (BTreeMap::new(), 0);
    for n in 0..EVENTS {
        let facts = types[rng.usize(..types.len())];
        let mut body = json!({ "event_type": facts.event_type, "event": facts.sample(), "event_id": format!("e-{n}") });
        if facts.addressed.is_some() || rng.u8(..4) == 0 {
            body["app_id"] = json!(apps[rng.usize(..apps.len())]);
        }
        let Ok(published) = publish(&platform, &body, false).await else {
            continue;
        };
        let made = made(&platform, &published).await;
        let again = publish(&platform, &body, true).await.unwrap();
        assert!(again.repeated && published.explanations.is_none());

        let (mut gets, mut refused): (_, BTreeMap<Gate, u32>) = (BTreeMap::new(), published.refused.clone());
        for explanation in again.explanations.unwrap() {
            match explanation.verdict {
                ExplainedVerdict::Delivered { withheld } => drop(gets.insert(explanation.app_id, withheld)),
                ExplainedVerdict::Refused(refusal) => {
                    *refusals.entry(refusal.gate).or_insert(0) += 1;
                    *refused.get_mut(&refusal.gate).unwrap() -= 1;
                }
            }
        }
        assert_eq!(gets, made, "{body}");
        assert!(refused.values().all(|left| *left == 0), "{refused:?} {body}");
        assert_eq!(published.deliveries.len(), made.len());
        n_made += made.len();
    }
    // Or the apps are not random enough.
    assert!(refusals.len() >= 3 && n_made > 0, "{refusals:?} {n_made}");
}
