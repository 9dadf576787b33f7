//! Foreign hosts and origins are refused on every path, the open platform's included.

use crate::client::Call;
use crate::platform::Platform;
use larkspur_server::HostGuard;

const PATHS: [(&str, &str); 6] = [
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/api/v1/events"),
    ("POST", "/callback/ws/endpoint"),
    ("GET", "/ws/v2"),
    ("POST", "/open-apis/auth/v3/tenant_access_token/internal"),
    ("POST", "/inbox/x"),
];

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_everywhere_and_told_what_to_do() {
    let platform = Platform::start().await;
    for (method, path) in PATHS {
        let call = || Call::new(platform.addr, method, path);
        let refused = call().header("host", "rebound.example:7070").send().await.expect(421);
        assert_eq!(refused["code"], "foreign_host", "{path}");
        assert!(refused["hint"].is_string(), "{path}");
        let refused = call().header("origin", "https://evil.example").send().await.expect(403);
        assert_eq!(refused["code"], "foreign_origin", "{path}");
    }
}

#[tokio::test]
async fn the_public_url_is_no_foreign_host() {
    let public = |_: &mut _, config: &mut larkspur_server::ServerConfig| {
        config.public_url = Some("https://events.example.com".parse().unwrap());
    };
    let platform = Platform::with(public, None).await;
    let call = |host| Call::new(platform.addr, "GET", "/api/v1/openapi.json").header("host", host);
    call("events.example.com").send().await.expect(200);
    call("other.example.com").send().await.expect(421);
}

#[tokio::test]
async fn without_a_guard_every_host_is_answered() {
    let platform = Platform::with(|_, config| config.guard = HostGuard::Any, None).await;
    let call = Call::new(platform.addr, "GET", "/api/v1/openapi.json")
        .header("host", "any.example")
        .header("origin", "https://x");
    call.send().await.expect(200);
}
