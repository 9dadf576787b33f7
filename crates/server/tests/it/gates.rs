//! Who gets an event and what they may see, through the API.

use serde_json::{Value, json};

use crate::platform::{Platform, TENANT};

const JOB: &str = "corehr.job_change.status_updated_v2";
const REVOKED: &str = "application.application.app_version.publish_revoke_v6";
const EXAM: &str = "hire.eco_exam.created_v1";
const CHECK: &str = "hire.eco_background_check.created_v1";
const CANCELED: &str = "hire.eco_background_check.canceled_v1";
const EMPLOYEE_ID: &str = "contact:user.employee_id:readonly";

#[tokio::test]
async fn without_the_scope_for_employee_ids_user_id_is_gone() {
    let platform = Platform::start().await;
    let user = json!({"union_id": "on_1", "user_id": "e33ggbyz", "open_id": "ou_1"});
    let cases = [
        (
            JOB,
            "corehr:job_change.status_update_event:read",
            json!({"target_user_id": user, "status": 1}),
        ),
        (
            REVOKED,
            "application:application.app_version:readonly",
            json!({"operator_id": user, "creator_id": user}),
        ),
    ];
    for (n, (event_type, scope, event)) in cases.into_iter().enumerate() {
        let (may, may_not) = (format!("may-{n}"), format!("may-not-{n}"));
        platform
            .webhook_app(&may, &json!([scope, EMPLOYEE_ID]), &json!([event_type]))
            .await;
        platform
            .webhook_app(&may_not, &json!([scope]), &json!([event_type]))
            .await;
        let published = platform
            .publish(&json!({"event_type": event_type, "event": event}))
            .await
            .expect(200);
        assert_eq!(published["deliveries"].as_array().unwrap().len(), 2, "{published}");
        assert_eq!(platform.received(&may, 1).await[0]["event"], event);
        let pushed = &platform.received(&may_not, 1).await[0]["event"];
        assert_eq!(pushed, &without_user_id(&event), "{event_type}");
        let withheld = published["explain"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["app_name"] == may_not.as_str());
        let withheld = withheld.unwrap()["withheld"].as_array().unwrap();
        assert!(!withheld.is_empty() && withheld.iter().all(|path| path.as_str().unwrap().ends_with(".user_id")));
    }
}

fn without_user_id(event: &Value) -> Value {
    let mut event = event.clone();
    for member in event.as_object_mut().unwrap().values_mut() {
        if let Some(user) = member.as_object_mut() {
            user.remove("user_id");
        }
    }
    event
}

#[tokio::test]
async fn a_store_app_can_neither_subscribe_to_a_custom_only_type_nor_choose_the_persistent_connection() {
    let platform = Platform::start().await;
    let store = platform
        .app(&json!({"name": "shop", "kind": "store", "tenants": [TENANT, "other"]}))
        .await;
    let target = format!("/api/v1/apps/{}", store["app_id"].as_str().unwrap());
    for (change, code, path) in [
        (
            json!({"events": {"types": [REVOKED]}}),
            "app_type_not_allowed",
            "events.types",
        ),
        (
            json!({"events": {"mode": "websocket"}}),
            "store_app_connection",
            "events.mode",
        ),
        (
            json!({"callbacks": {"mode": "websocket"}}),
            "store_app_connection",
            "callbacks.mode",
        ),
    ] {
        let refused = platform.send("PATCH", &target, &change).await.expect(422);
        assert_eq!(
            (refused["code"].as_str(), refused["path"].as_str()),
            (Some(code), Some(path)),
            "{change}"
        );
    }
    assert_eq!(
        platform.get(&target).await.expect(200)["draft"]["events"]["mode"],
        "webhook"
    );
}

#[tokio::test]
async fn either_scope_of_exams_is_enough_and_neither_is_refused() {
    let platform = Platform::start().await;
    for (n, scope) in ["hire:exam", "hire:exam:readonly"].into_iter().enumerate() {
        let inbox = format!("exams-{n}");
        let app = platform.webhook_app(&inbox, &json!([scope]), &json!([EXAM])).await;
        let event = json!({"event_type": EXAM, "event": {"exam_id": "1"}, "app_id": app["app_id"]});
        platform.publish(&event).await.expect(200);
        platform.received(&inbox, 1).await;
    }
    let neither = json!({"name": "n", "kind": "custom", "scopes": [EMPLOYEE_ID], "events": {"types": [EXAM]}});
    let refused = platform.send("POST", "/api/v1/apps", &neither).await.expect(422);
    assert_eq!(
        (refused["code"].as_str(), refused["path"].as_str()),
        (Some("missing_scope"), Some("events.types"))
    );
    assert!(refused["detail"].as_str().unwrap().contains("`hire:exam`"), "{refused}");
}

#[tokio::test]
async fn losing_the_scope_later_stops_the_push() {
    let platform = Platform::start().await;
    let app = platform
        .webhook_app("exams", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    platform
        .send("PATCH", &target, &json!({"scopes": []}))
        .await
        .expect(200);
    let event = json!({"event_type": EXAM, "event": {"exam_id": "1"}, "app_id": app["app_id"]});
    let published = platform.publish(&event).await.expect(200);
    assert_eq!(
        (&published["deliveries"], &published["refused"]["scope"]),
        (&json!([]), &json!(1)),
        "{published}"
    );
}

#[tokio::test]
async fn a_background_check_for_one_vendor_never_reaches_another() {
    let platform = Platform::start().await;
    let scopes = json!(["hire:background_check_order:readonly"]);
    let types = json!([CHECK, CANCELED]);
    let one = platform.webhook_app("one", &scopes, &types).await;
    let other = platform.webhook_app("other", &scopes, &types).await;
    for (account, app) in [("1", &one), ("2", &other)] {
        let target = format!("/api/v1/bindings/account/{account}");
        platform
            .send("PUT", &target, &json!({"app_id": app["app_id"]}))
            .await
            .expect(200);
    }
    let created = json!({"event_type": CHECK, "event": {"background_check_id": "77", "account_id": "1"}});
    let published = platform.publish(&created).await.expect(200);
    let deliveries = published["deliveries"].as_array().unwrap();
    assert_eq!((deliveries.len(), &deliveries[0]["app_id"]), (1, &one["app_id"]));
    assert_eq!(published["refused"]["audience"], 1);
    // The later event names no account, and finds the vendor by the order.
    let canceled = json!({"event_type": CANCELED, "event": {"background_check_id": "77"}});
    let published = platform.publish(&canceled).await.expect(200);
    assert_eq!(published["deliveries"][0]["app_id"], one["app_id"]);
    platform.received("one", 2).await;
    platform.settled().await;
    assert!(platform.received("other", 0).await.is_empty());
    let misaddressed =
        json!({"event_type": CANCELED, "event": {"background_check_id": "77"}, "app_id": other["app_id"]});
    assert_eq!(
        platform.publish(&misaddressed).await.expect(422)["code"],
        "misaddressed"
    );
    let unaddressed = json!({"event_type": CANCELED, "event": {"background_check_id": "78"}});
    assert_eq!(
        platform.publish(&unaddressed).await.expect(422)["code"],
        "not_addressed"
    );
    // What an account was bound to when it was accepted stays true when it comes again.
    let mut named = created.clone();
    (named["event_id"], named["app_id"]) = (json!("c1"), one["app_id"].clone());
    platform.publish(&named).await.expect(200);
    platform
        .send("PUT", "/api/v1/bindings/account/1", &json!({"app_id": other["app_id"]}))
        .await
        .expect(200);
    let again = platform.publish(&named).await.expect(200);
    assert_eq!(
        (&again["repeated"], &again["deliveries"][0]["app_id"]),
        (&json!(true), &one["app_id"])
    );
    named["event_id"] = json!("c2");
    assert_eq!(platform.publish(&named).await.expect(422)["code"], "misaddressed");
}

#[tokio::test]
async fn subscriptions_wait_for_a_version_and_the_request_url_does_not() {
    let platform = Platform::with(|settings, _| settings.apps.publish_at_once = false, None).await;
    let app = platform
        .webhook_app("early", &json!(["hire:exam"]), &json!([EXAM]))
        .await;
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    assert_eq!(
        (&app["published"], &app["unpublished_changes"]),
        (&Value::Null, &json!(true))
    );
    let event = json!({"event_type": EXAM, "event": {"exam_id": "1"}, "app_id": app["app_id"]});
    assert_eq!(platform.publish(&event).await.expect(200)["refused"]["published"], 1);
    let version = platform
        .send("POST", &format!("{target}/versions"), &Value::Null)
        .await
        .expect(201);
    assert_eq!(
        (&version["published"]["version"], &version["unpublished_changes"]),
        (&json!(1), &json!(false))
    );
    let moved = json!({"events": {"url": platform.inbox_url("late")}});
    platform.send("PATCH", &target, &moved).await.expect(200);
    platform.publish(&event).await.expect(200);
    platform.received("late", 1).await;
    assert!(platform.received("early", 0).await.is_empty());
}

#[tokio::test]
async fn what_an_app_may_not_have_is_refused_by_name() {
    let platform = Platform::start().await;
    let unknown = platform.inbox_url("x").replace("/inbox/", "/nothing/");
    for (members, code, path) in [
        (json!({"scopes": ["no:such:scope"]}), "unknown_scope", "scopes"),
        (json!({"scopes": "some"}), "body_does_not_fit", "scopes"),
        (
            json!({"events": {"types": ["hire.eco_exam.create_v1"]}}),
            "unknown_event_type",
            "events.types",
        ),
        (
            json!({"events": {"mode": "pigeon"}}),
            "body_does_not_fit",
            "events.mode",
        ),
        (json!({"events": {"url": "not a url"}}), "bad_url", "events.url"),
        (json!({"events": {"url": unknown}}), "challenge_failed", "events.url"),
        (json!({"tenants": ["a", "b"]}), "too_many_tenants", "tenants"),
        (
            json!({"encrypt_key": "x".repeat(33)}),
            "bad_secret_length",
            "encrypt_key",
        ),
        (json!({"app_id": "9f5343c580712544"}), "body_does_not_fit", "app_id"),
        (json!({"name": ""}), "bad_name", "name"),
    ] {
        let mut app = json!({"name": "n", "kind": "custom"});
        app.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let refused = platform.send("POST", "/api/v1/apps", &app).await.expect(422);
        assert_eq!(
            (refused["code"].as_str(), refused["path"].as_str()),
            (Some(code), Some(path)),
            "{refused}"
        );
    }
    assert_eq!(platform.get("/api/v1/apps").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn secrets_are_shown_only_when_asked_for_and_can_be_reset() {
    let platform = Platform::start().await;
    let app = platform.app(&json!({"name": "n", "kind": "custom"})).await;
    let target = format!("/api/v1/apps/{}", app["app_id"].as_str().unwrap());
    let hidden = platform.get(&target).await.expect(200);
    assert!(
        ["app_secret", "verification_token", "encrypt_key"]
            .iter()
            .all(|name| hidden.get(name).is_none())
    );
    let shown = platform.get(&format!("{target}?reveal=true")).await.expect(200);
    assert_eq!(
        (&shown["app_secret"], &shown["encrypt_key"]),
        (&app["app_secret"], &json!(""))
    );
    let reset = json!({"reset": ["app_secret", "encrypt_key"]});
    let reset = platform
        .send("PATCH", &format!("{target}?reveal=true"), &reset)
        .await
        .expect(200);
    assert_ne!(reset["app_secret"], app["app_secret"]);
    assert_eq!(
        (&reset["encrypted"], &reset["verification_token"]),
        (&json!(true), &app["verification_token"])
    );
}
