//! `https://` and `wss://` from both ends, with no crypto provider installed for the process.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use larkspur_server::Tls;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;

use crate::platform::{ADMIN_TOKEN, Platform};
use crate::sessions::{connected_app, endpoint_call, receives_an_event};

async fn connect(platform: &Platform, root: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(platform.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

async fn post(platform: &Platform, root: &CertificateDer<'static>, path: &str, body: &Value) -> Value {
    let io = TokioIo::new(connect(platform, root).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(path)
        .header("host", format!("localhost:{}", platform.addr.port()))
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    let answer = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    serde_json::from_slice(&answer.to_bytes()).unwrap()
}

#[tokio::test]
async fn an_event_arrives_over_wss_and_no_provider_is_installed() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_pem_files(&certificate, &key).unwrap();
    let platform = Platform::with(|_, _| {}, Some(tls)).await;
    let root = certified.cert.der().clone();
    let app = post(&platform, &root, "/api/v1/apps", &connected_app()).await;
    let answer = post(&platform, &root, "/callback/ws/endpoint", &endpoint_call(&app)).await;
    let url = answer["data"]["URL"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(
        url.starts_with(&format!("wss://localhost:{}/ws/v2?", platform.addr.port())),
        "{url}"
    );
    let (mut socket, _) = client_async(url, connect(&platform, &root).await).await.unwrap();
    receives_an_event(&platform, &app, &mut socket).await;
    assert!(CryptoProvider::get_default().is_none());
}
