//! Calls: which app is asked, why not, and what it is sent.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use larkspur_catalog::Catalog;
use larkspur_platform::{
    AppChange, AppError, Call, CallRefusal, Entropy, Gate, NewApp, PublishError, PublishSettings, Rules, Selection,
    SubscriptionChange, UnverifiedTypes, WithheldField, create_app, publish_app,
};
use larkspur_store::{App, AppKind, Mode};
use larkspur_wire::{AppId, EventId, EventType, TimestampMs};
use serde_json::{Value, json};

const CARD: &str = "card.action.trigger";
const CARD_V1: &str = "card.action.trigger_v1";
const USER_ID: &str = "contact:user.employee_id:readonly";

fn selected(types: &[&str]) -> Selection<EventType> {
    let types = types.iter().map(|event_type| event_type.parse().unwrap());
    Selection::These(types.collect())
}

fn config(mode: Mode, types: &[&str]) -> AppChange {
    let callbacks = SubscriptionChange {
        mode: Some(mode),
        types: Some(selected(types)),
        url: (mode == Mode::Webhook).then(|| Some("https://a.b/".to_owned())),
    };
    AppChange {
        name: Some("an app".to_owned()),
        tenants: Some(BTreeSet::from_iter("t1".parse())),
        callbacks,
        ..AppChange::default()
    }
}

fn make(n: u8, config: AppChange) -> Result<App, AppError> {
    let rules = Rules {
        catalog: Catalog::embedded(),
        unverified_types: UnverifiedTypes::Accept,
    };
    let new = NewApp {
        kind: AppKind::Custom,
        id: Some(AppId::mint([n; 8])),
        config,
    };
    create_app(rules, new, &Entropy([7; 56]), TimestampMs(0))
}

fn app(n: u8, mode: Mode, types: &[&str]) -> Arc<App> {
    Arc::new(publish_app(&make(n, config(mode, types)).unwrap(), TimestampMs(1)))
}

fn parse(body: &Value) -> Result<Call<'static>, CallRefusal> {
    Call::parse(
        body.to_string().as_bytes(),
        Catalog::embedded(),
        &PublishSettings::default(),
        UnverifiedTypes::Accept,
    )
}

fn call(event_type: &str) -> Call<'static> {
    parse(&json!({"event_type": event_type, "event": {}, "tenant_key": "t1"})).unwrap()
}

/// The body that the app is sent.
fn rendered(call: &Call<'_>, app: &Arc<App>) -> Value {
    let callee = call.callee([app]).unwrap();
    let event_id = EventId::mint([1; 16]);
    let now = TimestampMs(1_603_977_298_000);
    let body = call.render(&callee, &event_id, now, WithheldField::Absent, [2; 16]);
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn the_only_app_that_subscribes_is_asked_by_the_mode_of_its_callbacks() {
    let apps = [
        app(1, Mode::Webhook, &["url.preview.get"]),
        app(2, Mode::Websocket, &[CARD]),
    ];
    let callee = call(CARD).callee(&apps).unwrap();
    assert_eq!((&callee.app.id, callee.mode), (&apps[1].id, Mode::Websocket));
}

#[test]
fn with_several_apps_the_call_must_name_one() {
    let apps = [app(1, Mode::Webhook, &[CARD]), app(2, Mode::Websocket, &[CARD])];
    let refusal = call(CARD).callee(&apps).unwrap_err();
    assert_eq!((refusal.code(), refusal.path()), ("ambiguous_app", Some("app_id")));
    assert!(refusal.to_string().contains(apps[1].id.as_str()), "{refusal}");
    let named = json!({"event_type": CARD, "event": {}, "tenant_key": "t1", "app_id": apps[1].id});
    assert_eq!(parse(&named).unwrap().callee(&apps).unwrap().app.id, apps[1].id);
}

#[test]
fn the_app_that_came_closest_says_why_nobody_answers() {
    let subscribed = Arc::new(make(1, config(Mode::Webhook, &[CARD])).unwrap());
    let elsewhere = Arc::new(App {
        tenants: BTreeSet::new(),
        ..App::clone(&app(2, Mode::Webhook, &[CARD]))
    });
    let refusal = call(CARD).callee([&subscribed, &elsewhere]).unwrap_err();
    let CallRefusal::Gate { app_id, refusal, .. } = &refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!((app_id, refusal.gate), (&subscribed.id, Gate::Published));
    assert_eq!(call(CARD).callee([]).unwrap_err().code(), "no_app");
    let stranger = json!({"event_type": CARD, "event": {}, "tenant_key": "t1", "app_id": AppId::mint([9; 8])});
    let refusal = parse(&stranger).unwrap().callee([&subscribed]).unwrap_err();
    assert!(
        matches!(refusal, CallRefusal::Request(PublishError::UnknownApp { .. })),
        "{refusal:?}"
    );
}

#[test]
fn subscribing_to_events_is_not_subscribing_to_callbacks() {
    let unsubscribed = app(1, Mode::Webhook, &["url.preview.get"]);
    let without_url = Arc::new(App {
        callback_url: None,
        event_url: Some("https://a.b/".to_owned()),
        ..App::clone(&app(2, Mode::Webhook, &[CARD]))
    });
    for app in [unsubscribed, without_url] {
        let refusal = call(CARD).callee([&app]).unwrap_err();
        assert_eq!(refusal.code(), "not_subscribed");
        assert!(refusal.hint().contains("callbacks"), "{}", refusal.hint());
    }
}

#[test]
fn old_cards_call_back_by_webhook_only() {
    let refusal = call(CARD_V1)
        .callee([&app(1, Mode::Websocket, &[CARD_V1])])
        .unwrap_err();
    assert_eq!(refusal.code(), "not_subscribed");
    assert!(refusal.to_string().contains("webhook only"), "{refusal}");
    assert!(call(CARD_V1).callee([&app(1, Mode::Webhook, &[CARD_V1])]).is_ok());
}

#[test]
fn a_callback_travels_in_its_envelope_with_the_time_in_microseconds() {
    let app = app(1, Mode::Webhook, &[CARD]);
    let event = json!({"operator": {"open_id": "ou_1"}, "action": {"tag": "button"}});
    let call = parse(&json!({"event_type": CARD, "event": event, "tenant_key": "t1"})).unwrap();
    let body = rendered(&call, &app);
    assert_eq!(
        (&body["schema"], &body["header"]),
        (
            &json!("2.0"),
            &json!({
                "event_id": "01".repeat(16), "event_type": CARD, "create_time": "1603977298000000",
                "token": app.verification_token.expose(), "app_id": app.id, "tenant_key": "t1",
            })
        )
    );
    assert_eq!(body["event"]["operator"], event["operator"]);
    assert_eq!(body["event"]["token"], format!("c-{}", "02".repeat(16)));
}

#[test]
fn an_old_card_travels_without_an_envelope() {
    let app = app(1, Mode::Webhook, &[CARD_V1]);
    let event = json!({"open_id": "ou_1", "token": "c-given", "action": {"tag": "button"}});
    let call = parse(&json!({"event_type": CARD_V1, "event": event, "tenant_key": "t1"})).unwrap();
    let mut expected = event.clone();
    expected["tenant_key"] = "t1".into();
    assert_eq!(rendered(&call, &app), expected);
}

#[test]
fn who_tapped_is_withheld_from_an_app_without_the_scope() {
    let event = json!({"operator": {"open_id": "ou_1", "user_id": "u"}});
    let call = parse(&json!({"event_type": CARD, "event": event, "tenant_key": "t1"})).unwrap();
    let blind = app(1, Mode::Webhook, &[CARD]);
    assert_eq!(rendered(&call, &blind)["event"]["operator"], json!({"open_id": "ou_1"}));
    let seeing = AppChange {
        scopes: Some(Selection::These(BTreeSet::from_iter(USER_ID.parse()))),
        ..config(Mode::Webhook, &[CARD])
    };
    let seeing = Arc::new(publish_app(&make(1, seeing).unwrap(), TimestampMs(1)));
    assert_eq!(rendered(&call, &seeing)["event"]["operator"], event["operator"]);
}

#[test]
fn a_wrong_call_is_told_apart() {
    let code = |body: Value| parse(&body).unwrap_err().code();
    let with = |event_type: &str, event: Value| json!({"event_type": event_type, "event": event, "tenant_key": "t1"});
    assert_eq!(code(json!({"event_type": CARD, "event": {}})), "no_tenant");
    assert_eq!(code(with("card.action.triger", json!({}))), "unknown_callback");
    assert_eq!(code(with("im.message.receive_v1", json!({}))), "is_event");
    assert_eq!(code(with(CARD, json!([]))), "payload_mismatch");
    assert_eq!(code(with(CARD, json!({"token": 7}))), "payload_mismatch");
    let mut unknown = with(CARD, json!({}));
    unknown["event_id"] = "e1".into();
    assert_eq!(code(unknown), "malformed");
    let nearly = parse(&with("card.action.triger", json!({}))).unwrap_err();
    assert_eq!(nearly.hint(), "did you mean `card.action.trigger`?");
}

#[test]
fn a_callback_among_the_events_is_sent_to_the_right_list() {
    let events = SubscriptionChange {
        types: Some(selected(&[CARD])),
        ..SubscriptionChange::default()
    };
    let refused = make(
        1,
        AppChange {
            events,
            ..config(Mode::Webhook, &[])
        },
    )
    .unwrap_err();
    assert_eq!(
        (refused.code(), refused.hint().contains("callbacks.types")),
        ("is_callback", true)
    );
}
