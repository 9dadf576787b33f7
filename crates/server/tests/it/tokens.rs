//! API tokens: who may do what, and for how long.

use serde_json::{Value, json};

use crate::platform::Platform;

#[tokio::test]
async fn a_publish_token_may_publish_and_nothing_else() {
    let platform = Platform::start().await;
    let made = platform
        .send("POST", "/api/v1/tokens", &json!({"name": "shop", "role": "publish"}))
        .await
        .expect(201);
    let token = made["token"].as_str().unwrap();
    let event = json!({"event_type": "corehr.job_change.status_updated_v2", "event": {}});
    platform
        .call("POST", "/api/v1/events")
        .token(token)
        .json(&event)
        .send()
        .await
        .expect(200);
    let refused = platform
        .call("GET", "/api/v1/events")
        .token(token)
        .send()
        .await
        .expect(403);
    assert_eq!(refused["code"], "role_not_allowed");
    let listed = platform.get("/api/v1/tokens").await.expect(200);
    assert_eq!(listed["items"][0]["name"], "shop");
    assert!(!listed.to_string().contains(token));
}

#[tokio::test]
async fn a_deleted_token_is_refused_at_once() {
    let platform = Platform::start().await;
    let made = platform
        .send("POST", "/api/v1/tokens", &json!({"name": "t", "role": "admin"}))
        .await
        .expect(201);
    let token = made["token"].as_str().unwrap();
    platform
        .call("GET", "/api/v1/apps")
        .token(token)
        .send()
        .await
        .expect(200);
    let gone = platform.send("DELETE", "/api/v1/tokens/t", &Value::Null).await;
    assert_eq!(gone.status, 204);
    let refused = platform.call("GET", "/api/v1/apps").token(token).send().await;
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    assert_eq!(refused.expect(401)["code"], "token_unknown");
}

#[tokio::test]
async fn a_name_that_fits_no_path_is_refused() {
    let platform = Platform::start().await;
    for name in ["", "a/b", &"x".repeat(65)] {
        let refused = platform
            .send("POST", "/api/v1/tokens", &json!({"name": name, "role": "admin"}))
            .await;
        assert_eq!(refused.expect(422)["path"], "name");
    }
}

#[tokio::test]
async fn without_any_token_nobody_is_let_in() {
    let platform = Platform::with(|_, config| config.admin_token = None, None).await;
    assert_eq!(platform.get("/api/v1/apps").await.expect(401)["code"], "token_unknown");
    platform
        .call("GET", "/api/v1/apps")
        .without("authorization")
        .send()
        .await
        .expect(401);
}
