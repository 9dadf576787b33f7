//! The open platform's HTTP side: the endpoint, tokens, and calls that lead nowhere.

use larkspur_platform::ErrorStatus;
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::platform::{Platform, TENANT};

const AUTH: &str = "/open-apis/auth/v3";

/// Posts as SDKs do: without a token of the admin API.
async fn post(platform: &Platform, path: &str, body: &Value) -> Answer {
    Call::new(platform.addr, "POST", path)
        .body(body.to_string())
        .send()
        .await
}

async fn connected_app(platform: &Platform) -> Value {
    let app = json!({"name": "ws", "kind": "custom", "tenants": [TENANT], "events": {"mode": "websocket"}});
    platform.app(&app).await
}

async fn store_app(platform: &Platform) -> Value {
    let events = json!({"url": platform.inbox_url("store")});
    platform
        .app(&json!({"name": "store", "kind": "store", "tenants": [TENANT], "events": events}))
        .await
}

fn credentials(app: &Value) -> Value {
    json!({"app_id": app["app_id"], "app_secret": app["app_secret"]})
}

#[tokio::test]
async fn the_endpoint_hands_out_a_url_whatever_the_content_type_and_however_many_slashes() {
    let platform = Platform::start().await;
    let app = connected_app(&platform).await;
    let body = json!({"AppID": app["app_id"], "AppSecret": app["app_secret"], "ClientAssertion": ""});
    for (path, content_type) in [("/callback/ws/endpoint", ""), ("//callback/ws/endpoint", "text/plain")] {
        let call = Call::new(platform.addr, "POST", path)
            .body(body.to_string())
            .header("content-type", content_type);
        let answer = call.send().await;
        assert!(answer.headers.contains_key("x-tt-logid"));
        let answer = answer.expect(200);
        assert_eq!((&answer["code"], &answer["msg"]), (&json!(0), &json!("success")));
        let url = answer["data"]["URL"].as_str().unwrap();
        assert!(url.starts_with(&format!("ws://{}/ws/v2?fpid=", platform.addr)), "{url}");
        let config = answer["data"]["ClientConfig"].as_object().unwrap();
        assert_eq!(config.len(), 4, "{config:?}");
    }
}

#[tokio::test]
async fn the_url_leads_to_the_public_url_where_there_is_one() {
    let public = |_: &mut _, config: &mut larkspur_server::ServerConfig| {
        config.public_url = Some("https://events.example.com:8443".parse().unwrap());
    };
    let platform = Platform::with(public, None).await;
    let app = connected_app(&platform).await;
    let body = json!({"AppID": app["app_id"], "AppSecret": app["app_secret"]});
    let answer = post(&platform, "/callback/ws/endpoint", &body).await.expect(200);
    let url = answer["data"]["URL"].as_str().unwrap();
    assert!(url.starts_with("wss://events.example.com:8443/ws/v2?"), "{url}");
}

#[tokio::test]
async fn the_endpoint_refuses_with_status_200_and_empty_data() {
    let platform = Platform::with(|settings, _| settings.apps.publish_at_once = false, None).await;
    let store = store_app(&platform).await;
    let unpublished = connected_app(&platform).await;
    let webhook = platform
        .app(&json!({"name": "hook", "kind": "custom", "tenants": [TENANT]}))
        .await;
    let versions = format!("/api/v1/apps/{}/versions", webhook["app_id"].as_str().unwrap());
    platform.send("POST", &versions, &Value::Null).await.expect(201);
    let of = |app: &Value| json!({"AppID": app["app_id"], "AppSecret": app["app_secret"]});
    for (body, code, word) in [
        (of(&store), 403, "store app"),
        (of(&unpublished), 403, "publish"),
        (of(&webhook), 403, "websocket"),
        (
            json!({"AppID": webhook["app_id"], "AppSecret": "wrong"}),
            1_000_040_345,
            "invalid",
        ),
        (
            json!({"AppID": "cli_0000000000000000", "AppSecret": "x"}),
            1_000_040_345,
            "invalid",
        ),
        (
            json!({"AppID": "not an id", "AppSecret": "x"}),
            1_000_040_345,
            "invalid",
        ),
        (json!({"app_id": "cli_1", "app_secret": "x"}), 514, "AppID"),
        (json!([]), 514, "AppID"),
        (json!("x".repeat(70_000)), 514, "AppID"),
    ] {
        let refused = post(&platform, "/callback/ws/endpoint", &body).await.expect(200);
        assert_eq!((&refused["code"], &refused["data"]), (&json!(code), &json!({})));
        assert!(refused["msg"].as_str().unwrap().contains(word), "{refused}");
    }
    let counters = platform.get("/api/v1/counters").await.expect(200);
    assert_eq!(counters["refused"]["endpoint_403"], 3, "{counters}");
}

#[tokio::test]
async fn a_custom_app_gets_its_tokens_at_the_top_level() {
    let platform = Platform::start().await;
    let app = connected_app(&platform).await;
    let tenant = post(
        &platform,
        &format!("{AUTH}/tenant_access_token/internal"),
        &credentials(&app),
    )
    .await
    .expect(200);
    assert_eq!((&tenant["code"], &tenant["msg"]), (&json!(0), &json!("ok")));
    assert!(tenant["tenant_access_token"].as_str().unwrap().starts_with("t-"));
    assert!(
        (1_800..=7_200).contains(&tenant["expire"].as_i64().unwrap()),
        "{tenant}"
    );
    let both = post(
        &platform,
        &format!("{AUTH}/app_access_token/internal"),
        &credentials(&app),
    )
    .await
    .expect(200);
    assert!(both["app_access_token"].as_str().unwrap().starts_with("a-"));
    assert_eq!(
        both["tenant_access_token"], tenant["tenant_access_token"],
        "the same while it has 30 minutes left"
    );
}

#[tokio::test]
async fn a_store_app_gets_its_tokens_with_the_ticket_that_was_pushed() {
    let platform = Platform::start().await;
    let app = store_app(&platform).await;
    let resent = post(&platform, &format!("{AUTH}/app_ticket/resend"), &credentials(&app))
        .await
        .expect(200);
    assert_eq!(resent, json!({"code": 0, "msg": "ok"}));
    let pushed = platform.received("store", 1).await[0].clone();
    assert_eq!(
        (&pushed["type"], &pushed["event"]["type"]),
        (&json!("event_callback"), &json!("app_ticket"))
    );
    let mut asked = credentials(&app);
    asked["app_ticket"] = pushed["event"]["app_ticket"].clone();
    let token = post(&platform, &format!("{AUTH}/app_access_token"), &asked)
        .await
        .expect(200);
    assert_eq!(
        (&token["code"], &token["msg"]),
        (&json!(0), &json!("success")),
        "{token}"
    );
    let asked = json!({"app_access_token": token["app_access_token"], "tenant_key": TENANT});
    let token = post(&platform, &format!("{AUTH}/tenant_access_token"), &asked)
        .await
        .expect(200);
    assert!(
        token["tenant_access_token"].as_str().unwrap().starts_with("t-"),
        "{token}"
    );
}

#[tokio::test]
async fn tokens_are_refused_with_the_codes_of_feishu() {
    let platform = Platform::start().await;
    let custom = connected_app(&platform).await;
    let store = store_app(&platform).await;
    let homeless = platform.app(&json!({"name": "homeless", "kind": "custom"})).await;
    let wrong_secret = json!({"app_id": custom["app_id"], "app_secret": "wrong"});
    let with_ticket =
        |app: &Value| json!({"app_id": app["app_id"], "app_secret": app["app_secret"], "app_ticket": "wrong"});
    for (path, body, code) in [
        ("tenant_access_token/internal", json!({}), 10_003),
        ("tenant_access_token/internal", json!([]), 10_003),
        (
            "tenant_access_token/internal",
            json!({"app_id": "cli_none", "app_secret": "x"}),
            10_003,
        ),
        ("tenant_access_token/internal", wrong_secret, 10_015),
        ("tenant_access_token/internal", credentials(&store), 10_003),
        ("tenant_access_token/internal", credentials(&homeless), 10_014),
        ("app_access_token", with_ticket(&custom), 10_003),
        ("app_access_token", with_ticket(&store), 10_012),
        ("app_access_token", credentials(&store), 10_003),
        (
            "tenant_access_token",
            json!({"app_access_token": "a-x", "tenant_key": TENANT}),
            10_013,
        ),
        ("tenant_access_token", json!({"tenant_key": TENANT}), 10_003),
        ("app_ticket/resend", credentials(&custom), 10_016),
    ] {
        let refused = post(&platform, &format!("{AUTH}/{path}"), &body).await;
        let log_id = refused.headers["x-tt-logid"].to_str().unwrap().to_owned();
        let refused = refused.expect(400);
        assert_eq!(
            (&refused["code"], &refused["error"]["log_id"]),
            (&json!(code), &json!(log_id)),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn errors_come_with_status_200_where_that_is_assumed() {
    let assume = |settings: &mut larkspur_platform::Settings, _: &mut _| {
        settings.assumptions.open_api_error_status = ErrorStatus::Ok;
    };
    let platform = Platform::with(assume, None).await;
    let refused = post(&platform, &format!("{AUTH}/tenant_access_token/internal"), &json!({}))
        .await
        .expect(200);
    assert_eq!(refused["code"], 10_003);
}

#[tokio::test]
async fn any_other_call_is_answered_in_the_envelope_and_remembered_without_secrets() {
    let platform = Platform::start().await;
    let app = connected_app(&platform).await;
    let token = post(
        &platform,
        &format!("{AUTH}/tenant_access_token/internal"),
        &credentials(&app),
    )
    .await
    .expect(200);
    let token = token["tenant_access_token"].as_str().unwrap();
    let path = "/open-apis/im/v1/messages";
    let call = Call::new(platform.addr, "POST", &format!("{path}?secret=query")).body("secret body");
    let refused = call.clone().token(token).send().await.expect(404);
    assert_eq!(refused["code"], 99_991_201);
    call.token("t-forged").send().await.expect(404);
    let calls = platform.get("/api/v1/open-api-calls?limit=5").await.expect(200);
    let calls = calls["items"].as_array().unwrap();
    let found: Vec<_> = calls
        .iter()
        .map(|call| (&call["method"], &call["path"], &call["app_id"]))
        .collect();
    let (post, path) = (json!("POST"), json!(path));
    assert_eq!(found, [(&post, &path, &Value::Null), (&post, &path, &app["app_id"])]);
}

#[tokio::test]
async fn a_known_path_with_another_method_is_told_so() {
    let platform = Platform::start().await;
    for path in [format!("{AUTH}/app_ticket/resend"), "/callback/ws/endpoint".to_owned()] {
        let refused = Call::new(platform.addr, "GET", &path).send().await.expect(405);
        assert_eq!(refused["code"], 99_991_301, "{path}");
    }
}
