//! P10: TLS and proxies.

use larkspur::{Domain, Meta, Router};
use larkspur_server::{ServerConfig, Tls, serve};
use larkspur_testkit::{Client, DeliveryState};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::proxies::Proxy;
use crate::{EXAM, patient};

async fn take(_: Meta) {}

/// P10, openfang#953: no process-wide TLS provider is needed, or set: a connection over TLS to a platform with a
/// private authority just works.
#[tokio::test]
async fn wss_no_provider() {
    let lab = patient().await;
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root.pem");
    std::fs::write(&root, &certificate).unwrap();
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (engine, config) = (lab.engine().clone(), ServerConfig::default());
    tokio::spawn(serve(listener, Some(tls), engine, config, CancellationToken::new()));
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let app = lab.app().domain(Domain::parse(&url).unwrap());
    let router = lab.watch(Router::new().fallback(take));
    let _bot = Client::start(app.root_certificates(&root).connect(router));
    lab.online(1).await;
    let event = lab.trigger(EXAM).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

/// P10, oapi-sdk-python#143: through an HTTP proxy with `CONNECT` and through SOCKS5, the look-up as well as the
/// connection.
#[tokio::test]
async fn via_proxy() {
    let http = Proxy::http_connect(Some("Basic dXNlcjpwYXNzd29yZA==")).await;
    let socks = Proxy::socks5().await;
    for (proxy, url) in [
        (&http, format!("http://user:password@{}", http.authority)),
        (&socks, format!("socks5://{}", socks.authority)),
    ] {
        let lab = patient().await;
        let app = lab.app().proxy(larkspur::Proxy::parse(&url).unwrap());
        let bot = Client::start(app.connect(lab.watch(Router::new().fallback(take))));
        lab.online(1).await;
        let event = lab.trigger(EXAM).await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(proxy.tunnels(), 2, "one for the look-up, one for the connection");
        assert_eq!(bot.stop().await.handled, 1);
    }
}
