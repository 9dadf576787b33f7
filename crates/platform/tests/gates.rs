//! The gates, one after another, and what they tell.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use larkspur_catalog::Catalog;
use larkspur_platform::{
    AppChange, AppError, Audience, Entropy, Gate, NewApp, Plan, Publication, PublishError, PublishSettings,
    ResourceSubscribed, Rules, Selection, Subject, SubscriptionChange, UnverifiedTypes, change_app, check, create_app,
    publish_app, resolve,
};
use larkspur_store::{App, AppKind, BindingKey, Mode};
use larkspur_wire::{AppId, TimestampMs};
use serde_json::json;

const REVOKE: &str = "application.application.app_version.publish_revoke_v6";
const JOB_CHANGE: &str = "corehr.job_change.status_updated_v2";
const EXAM: &str = "hire.eco_exam.created_v1";

fn rules(unverified_types: UnverifiedTypes) -> Rules<'static> {
    Rules {
        catalog: Catalog::embedded(),
        unverified_types,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a change is an option everywhere")]
fn these<T: std::str::FromStr + Ord>(names: &[&str]) -> Option<Selection<T>> {
    Some(Selection::These(
        names
            .iter()
            .map(|name| name.parse().ok().unwrap())
            .collect::<BTreeSet<T>>(),
    ))
}

fn change(scopes: &[&str], types: &[&str]) -> AppChange {
    let events = SubscriptionChange {
        mode: Some(Mode::Webhook),
        types: these(types),
        url: Some(Some("https://a.b/".to_owned())),
    };
    AppChange {
        name: Some("an app".to_owned()),
        tenants: Some(BTreeSet::from_iter("t1".parse())),
        scopes: these(scopes),
        events,
        ..AppChange::default()
    }
}

fn make(kind: AppKind, config: AppChange) -> Result<App, AppError> {
    create_app(
        rules(UnverifiedTypes::Accept),
        NewApp { kind, id: None, config },
        &Entropy([7; 56]),
        TimestampMs(0),
    )
}

fn published(kind: AppKind, scopes: &[&str], types: &[&str]) -> App {
    publish_app(&make(kind, change(scopes, types)).unwrap(), TimestampMs(1))
}

/// The first gate that refuses the app, if any, and what is withheld if none does.
fn verdict(event_type: &str, app: App, audience: &Audience) -> Result<Vec<String>, Gate> {
    let event_type = event_type.parse().unwrap();
    let tenant = "t1".parse().unwrap();
    let facts = Catalog::embedded()
        .find(larkspur_wire::EventType::as_str(&event_type))
        .unwrap();
    let subject = Subject {
        event_type: &event_type,
        facts,
        tenant_key: Some(&tenant),
        audience,
        resource_subscribed: None,
    };
    let mut plan = Plan::new(&subject, [&Arc::new(app)]);
    match plan.refused.pop() {
        Some((app, gate)) => {
            let refusal = check(&subject, &app).unwrap_err();
            assert!(!refusal.reason.is_empty() && !refusal.fix.is_empty());
            assert_eq!(plan.refused_by_gate().len(), Gate::ALL.len());
            assert_eq!(refusal.gate, gate);
            Err(gate)
        }
        None => Ok(plan.deliveries.pop().unwrap().withheld),
    }
}

#[test]
fn every_gate_says_no_in_its_turn() {
    let scope = "corehr:job_change.status_update_event:read";
    let fine = || published(AppKind::Custom, &[scope], &[JOB_CHANGE]);
    let everyone = Audience::Everyone;
    assert_eq!(
        verdict(JOB_CHANGE, fine(), &everyone),
        Ok(vec!["target_user_id.user_id".to_owned()])
    );
    let another = Audience::Only(AppId::mint([9; 8]));
    assert_eq!(verdict(JOB_CHANGE, fine(), &another), Err(Gate::Audience));
    assert_eq!(
        verdict(
            REVOKE,
            App {
                kind: AppKind::Store,
                ..fine()
            },
            &everyone
        ),
        Err(Gate::AppType)
    );
    assert_eq!(
        verdict(
            JOB_CHANGE,
            App {
                tenants: BTreeSet::new(),
                ..fine()
            },
            &everyone
        ),
        Err(Gate::Installed)
    );
    assert_eq!(
        verdict(
            JOB_CHANGE,
            App {
                published: None,
                ..fine()
            },
            &everyone
        ),
        Err(Gate::Published)
    );
    assert_eq!(verdict(EXAM, fine(), &everyone), Err(Gate::Subscribed));
    assert_eq!(
        verdict(
            JOB_CHANGE,
            App {
                event_url: None,
                ..fine()
            },
            &everyone
        ),
        Err(Gate::Subscribed)
    );
    let mut lost = fine();
    lost.published.as_mut().unwrap().config.scopes.clear();
    assert_eq!(verdict(JOB_CHANGE, lost, &everyone), Err(Gate::Scope));
}

#[derive(Debug)]
struct Nobody;

impl ResourceSubscribed for Nobody {
    fn contains(&self, _: &AppId) -> bool {
        false
    }
}

#[test]
fn the_resource_is_asked_for_last() {
    let app = Arc::new(published(
        AppKind::Custom,
        &["corehr:job_change.status_update_event:read"],
        &[JOB_CHANGE],
    ));
    let (event_type, tenant) = (JOB_CHANGE.parse().unwrap(), "t1".parse().unwrap());
    let subject = Subject {
        event_type: &event_type,
        facts: Catalog::embedded().find(JOB_CHANGE).unwrap(),
        tenant_key: Some(&tenant),
        audience: &Audience::Everyone,
        resource_subscribed: Some(&Nobody),
    };
    assert_eq!(Plan::new(&subject, [&app]).refused[0].1, Gate::ResourceSubscription);
}

#[test]
fn any_one_scope_is_enough_and_none_is_not() {
    for scope in ["hire:exam", "hire:exam:readonly"] {
        assert!(make(AppKind::Custom, change(&[scope], &[EXAM])).is_ok(), "{scope}");
    }
    assert!(matches!(
        make(AppKind::Custom, change(&[], &[EXAM])),
        Err(AppError::MissingScope { .. })
    ));
}

#[test]
fn losing_the_scope_keeps_the_subscription_and_stops_the_push() {
    let app = published(AppKind::Custom, &["hire:exam"], &[EXAM]);
    let without = AppChange {
        scopes: these(&[]),
        ..AppChange::default()
    };
    let app = change_app(rules(UnverifiedTypes::Accept), &app, without, &Entropy([8; 56])).unwrap();
    assert_eq!(app.draft.events.types.len(), 1);
    assert!(
        verdict(EXAM, app.clone(), &Audience::Everyone).is_ok(),
        "the change waits for a version"
    );
    assert_eq!(
        verdict(EXAM, publish_app(&app, TimestampMs(2)), &Audience::Everyone),
        Err(Gate::Scope)
    );
}

#[test]
fn what_an_app_may_not_have_is_refused_with_a_hint() {
    let refused = |kind, change| make(kind, change).unwrap_err();
    let websocket = AppChange {
        events: SubscriptionChange {
            mode: Some(Mode::Websocket),
            ..SubscriptionChange::default()
        },
        ..change(&[], &[])
    };
    let two_tenants = AppChange {
        tenants: Some(["a", "b"].iter().map(|t| t.parse().unwrap()).collect()),
        ..change(&[], &[])
    };
    let custom_scope = "application:application.app_version:readonly";
    for (error, code) in [
        (refused(AppKind::Store, websocket), "store_app_connection"),
        (refused(AppKind::Store, change(&[], &[REVOKE])), "app_type_not_allowed"),
        (
            refused(AppKind::Store, change(&[custom_scope], &[])),
            "scope_not_holdable",
        ),
        (refused(AppKind::Custom, change(&["no:such"], &[])), "unknown_scope"),
        (
            refused(AppKind::Custom, change(&[], &["no.such_v1"])),
            "unknown_event_type",
        ),
        (refused(AppKind::Custom, two_tenants), "too_many_tenants"),
        (
            refused(
                AppKind::Custom,
                AppChange {
                    name: None,
                    ..change(&[], &[])
                },
            ),
            "bad_name",
        ),
    ] {
        assert_eq!(error.code(), code);
        assert!(!error.hint().is_empty() && error.path().is_some());
    }
}

#[test]
fn types_that_no_page_confirms_can_be_refused() {
    let unconfirmed = Catalog::embedded()
        .iter()
        .find(|facts| facts.unverified)
        .unwrap()
        .event_type
        .as_str();
    let new = || NewApp {
        kind: AppKind::Custom,
        id: None,
        config: change(&[], &[unconfirmed]),
    };
    let create = |unverified| create_app(rules(unverified), new(), &Entropy([7; 56]), TimestampMs(0));
    assert!(create(UnverifiedTypes::Accept).is_ok());
    assert!(matches!(
        create(UnverifiedTypes::Refuse),
        Err(AppError::Unverified { .. })
    ));
    let settings = PublishSettings {
        default_tenant: "t1".parse().ok(),
        ..PublishSettings::default()
    };
    let body = json!({ "event_type": unconfirmed, "event": {} }).to_string();
    let parse = |unverified| Publication::parse(body.as_bytes(), Catalog::embedded(), &settings, unverified).map(drop);
    assert_eq!(parse(UnverifiedTypes::Accept), Ok(()));
    assert!(matches!(
        parse(UnverifiedTypes::Refuse),
        Err(PublishError::Unverified { .. })
    ));
}

fn publication(body: &serde_json::Value) -> Result<Publication<'static>, PublishError> {
    let settings = PublishSettings {
        default_tenant: "t1".parse().ok(),
        ..PublishSettings::default()
    };
    let body = body.to_string();
    Publication::parse(body.as_bytes(), Catalog::embedded(), &settings, UnverifiedTypes::Accept)
}

#[test]
fn an_event_for_one_vendor_needs_to_know_which() {
    let exam = publication(&json!({ "event_type": EXAM, "event": { "account_id": "7", "exam_id": "1" } })).unwrap();
    let key = BindingKey {
        kind: "account".to_owned(),
        id: "7".to_owned(),
    };
    let (one, other) = (AppId::mint([1; 8]), AppId::mint([2; 8]));
    assert!(matches!(resolve(&exam, &[]), Err(PublishError::NotAddressed { .. })));
    assert_eq!(
        resolve(&exam, &[(key.clone(), one.clone())]),
        Ok(Audience::Only(one.clone()))
    );
    let named = Publication {
        app_id: Some(other.clone()),
        ..exam
    };
    assert_eq!(resolve(&named, &[]), Ok(Audience::Only(other)));
    assert!(matches!(
        resolve(&named, &[(key, one)]),
        Err(PublishError::Misaddressed { .. })
    ));
}

#[test]
fn publications_are_checked_and_compacted() {
    let body = r#"{"event_type":"hire.eco_exam.created_v1","event":{ "exam_id" : "1" , "new": 1.10 }}"#;
    let settings = PublishSettings {
        default_tenant: "t1".parse().ok(),
        ..PublishSettings::default()
    };
    let parsed = Publication::parse(body.as_bytes(), Catalog::embedded(), &settings, UnverifiedTypes::Accept).unwrap();
    assert_eq!(parsed.payload.json(), r#"{"exam_id":"1","new":1.10}"#);
    let code = |body: serde_json::Value| publication(&body).map(drop).unwrap_err().code();
    assert_eq!(code(json!({ "event_type": EXAM })), "malformed");
    assert_eq!(
        code(json!({ "event_type": EXAM, "event": {}, "unknown": 1 })),
        "malformed"
    );
    assert_eq!(
        code(json!({ "event_type": "hire.eco_exam.create_v1", "event": {} })),
        "unknown_event_type"
    );
    assert_eq!(
        code(json!({ "event_type": EXAM, "event": { "exam_id": 1 } })),
        "payload_mismatch"
    );
    assert_eq!(
        code(json!({ "event_type": EXAM, "event": {}, "create_time": "now" })),
        "bad_create_time"
    );
    let small = PublishSettings {
        event_bytes_max: 10,
        ..settings
    };
    let large = Publication::parse(body.as_bytes(), Catalog::embedded(), &small, UnverifiedTypes::Accept);
    assert!(matches!(large, Err(PublishError::TooLarge { .. })));
}
