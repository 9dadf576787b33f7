//! What a push looks like on the wire, and what its answer means.

use http::{Method, Response, Version};
use larkspur_platform::{Assumptions, DeliverySettings, TimestampUnit};
use larkspur_store::Mode;
use larkspur_wire::{Secret, hex, sign};

use super::receiver::{Arrived, Receiver, raw};
use super::{Endpoint, WebhookClient, app, client, post, push};

/// What arrives when this is pushed.
async fn arrived(encrypt_key: &str, assumptions: &Assumptions, body: &'static str) -> Arrived {
    let mut receiver = Receiver::answering(200, r#"{"msg":"success"}"#).await;
    let client = WebhookClient::new(&DeliverySettings::default(), assumptions).unwrap();
    let endpoint = Endpoint::parse(&receiver.url()).unwrap();
    let pushed = client.post(&app(encrypt_key), &endpoint, push(body)).await;
    assert_eq!(pushed.outcome, Ok(()));
    receiver.arrived.recv().await.unwrap()
}

#[tokio::test]
async fn a_plain_push_is_the_envelope_signed_with_an_empty_key() {
    let request = arrived("", &Assumptions::default(), r#"{"schema":"2.0","名":"é"}"#).await;
    assert_eq!(
        (request.method.clone(), request.version),
        (Method::POST, Version::HTTP_11)
    );
    assert_eq!(request.uri, "/hook?key=1");
    assert_eq!(request.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(
        request.header("content-length"),
        Some(request.body.len().to_string().as_str())
    );
    assert_eq!(request.body, r#"{"schema":"2.0","名":"é"}"#);
    assert!(request.header("x-request-id").is_some() && request.header("x-tt-logid").is_some());
    assert_eq!(request.header("x-lark-request-timestamp"), Some("1700000000"));
    let nonce = request.header("x-lark-request-nonce").unwrap();
    let signature = sign("1700000000", nonce, &Secret::default(), &request.body);
    assert_eq!(request.header("x-lark-signature"), Some(signature.as_str()));
    assert!(request.header("accept-encoding").is_none());
}

#[tokio::test]
async fn the_headers_of_a_signature_can_be_left_out_when_there_is_no_key() {
    let unsigned = Assumptions {
        sign_without_key: false,
        ..Assumptions::default()
    };
    let plain = arrived("", &unsigned, "{}").await;
    let sealed = arrived("kudryavka", &unsigned, "{}").await;
    for name in ["x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature"] {
        assert!(plain.header(name).is_none(), "{name}");
        assert!(sealed.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_signed_time_can_be_in_milliseconds() {
    let milliseconds = Assumptions {
        timestamp_unit: TimestampUnit::Milliseconds,
        ..Assumptions::default()
    };
    let request = arrived("", &milliseconds, "{}").await;
    assert_eq!(request.header("x-lark-request-timestamp"), Some("1700000000123"));
}

#[tokio::test]
async fn a_push_to_an_app_with_a_key_is_sealed_and_signed() {
    let request = arrived("kudryavka", &Assumptions::default(), r#"{"schema":"2.0"}"#).await;
    let key = Secret::from("kudryavka".to_owned());
    let sealed = std::str::from_utf8(&request.body).unwrap();
    // Node signs what it parsed and printed again, so there is no room for a space.
    let encrypt = sealed
        .strip_prefix(r#"{"encrypt":""#)
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap();
    assert_eq!(larkspur_wire::open(encrypt, &key).unwrap(), br#"{"schema":"2.0"}"#);
    let nonce = request.header("x-lark-request-nonce").unwrap();
    let signature = sign("1700000000", nonce, &key, &request.body);
    assert_eq!(request.header("x-lark-signature"), Some(signature.as_str()));
    let iv: [u8; 16] = std::array::from_fn(|idx| u8::try_from(idx).unwrap());
    assert!(
        !request
            .headers
            .values()
            .any(|value| value.to_str().unwrap().contains(&hex(&iv[..4])))
    );
}

#[tokio::test]
async fn the_same_seed_and_time_repeat_the_bytes_and_another_seed_does_not() {
    let mut receiver = Receiver::answering(200, "").await;
    let (client, app) = (client(&DeliverySettings::default()), app("kudryavka"));
    let endpoint = Endpoint::parse(&receiver.url()).unwrap();
    for seed in [[1; 32], [1; 32], [2; 32]] {
        client
            .post(&app, &endpoint, super::WebhookPush { seed, ..push("{}") })
            .await
            .outcome
            .unwrap();
    }
    let [first, repeated, fresh] = [
        receiver.arrived.recv().await,
        receiver.arrived.recv().await,
        receiver.arrived.recv().await,
    ]
    .map(Option::unwrap);
    assert_eq!((&first.body, &first.headers), (&repeated.body, &repeated.headers));
    assert_ne!(first.body, fresh.body);
    assert_ne!(
        first.header("x-lark-request-nonce"),
        fresh.header("x-lark-request-nonce")
    );
    assert_ne!(first.header("x-lark-signature"), fresh.header("x-lark-signature"));
}

#[tokio::test]
async fn head_and_body_leave_in_one_write_with_the_documented_spelling() {
    use tokio::io::AsyncWriteExt;
    let (sender, mut requests) = tokio::sync::mpsc::channel(1);
    let address = raw(move |mut stream, request| {
        let sender = sender.clone();
        async move {
            sender.send(request).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    })
    .await;
    let pushed = post(
        &client(&DeliverySettings::default()),
        &app(""),
        &format!("http://{address}/"),
    )
    .await;
    assert_eq!(pushed.outcome, Ok(()));
    let request = String::from_utf8(requests.recv().await.unwrap()).unwrap();
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");
    assert!(
        request.contains("X-Lark-Request-Timestamp: ") && request.contains("X-Lark-Signature: "),
        "{request}"
    );
}

#[tokio::test]
async fn status_200_takes_the_event_whatever_the_body_says() {
    for body in [
        "",
        r#"{"msg":"success"}"#,
        r#"{"msg":"boom "quoted""}"#,
        r#""no x event handle""#,
    ] {
        let receiver = Receiver::answering(200, body).await;
        let pushed = post(&client(&DeliverySettings::default()), &app(""), &receiver.url()).await;
        assert_eq!(
            (pushed.outcome, pushed.code, pushed.mode),
            (Ok(()), Some(200), Mode::Webhook)
        );
        assert_eq!(pushed.answer, body);
        assert_eq!(
            pushed.target,
            format!("http://{}/hook", receiver.address),
            "the query stays out of logs"
        );
    }
}

#[tokio::test]
async fn every_other_status_refuses_the_event() {
    for status in [201, 204, 400, 404, 500, 503] {
        let receiver = Receiver::answering(status, "").await;
        let pushed = post(&client(&DeliverySettings::default()), &app(""), &receiver.url()).await;
        let expected = Err(format!("the endpoint answered status {status}"));
        assert_eq!((pushed.outcome, pushed.code), (expected, Some(i32::from(status))));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut elsewhere = Receiver::answering(200, "").await;
    let location = elsewhere.url();
    let receiver = Receiver::start(move |_| {
        Response::builder()
            .status(302)
            .header("location", location.clone())
            .body(String::new())
            .unwrap()
    })
    .await;
    let pushed = post(&client(&DeliverySettings::default()), &app(""), &receiver.url()).await;
    assert_eq!(pushed.code, Some(302));
    assert!(pushed.outcome.is_err());
    assert!(elsewhere.arrived.try_recv().is_err());
}

#[tokio::test]
async fn https_works_without_a_global_tls_provider_and_only_with_a_trusted_certificate() {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let receiver = Receiver::start_with(|_| Response::new(String::new()), Some(tls)).await;
    let url = format!("https://{}/hook", receiver.address);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());

    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), certified.cert.pem()).unwrap();
    let trusting = client(&DeliverySettings {
        root_certificates: Some(root.path().to_owned()),
        ..DeliverySettings::default()
    });
    let pushed = post(&trusting, &app(""), &url).await;
    assert_eq!((pushed.outcome, pushed.code), (Ok(()), Some(200)));
    let by_name = format!("https://localhost:{}/hook", receiver.address.port());
    assert_eq!(post(&trusting, &app(""), &by_name).await.outcome, Ok(()));
    let why = post(&client(&DeliverySettings::default()), &app(""), &url)
        .await
        .outcome
        .unwrap_err();
    assert!(why.starts_with("TLS failed: "), "{why}");
}
