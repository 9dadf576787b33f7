//! The challenge, against receivers that pass it and receivers that fail it as people's do.

use std::time::Duration;

use http::Response;
use larkspur_platform::DeliverySettings;
use larkspur_store::App;
use larkspur_wire::Secret;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::receiver::{Arrived, Receiver, raw};
use super::{Endpoint, SIGNED_AT, app, client, impatient};
use crate::webhook::ChallengeError;

/// With more time than Feishu gives, since this machine may be busy.
async fn challenge(app: &App, url: &str) -> Result<(), ChallengeError> {
    let settings = DeliverySettings {
        challenge_timeout_ms: 10_000,
        ..DeliverySettings::default()
    };
    challenge_with(&settings, app, url).await
}

async fn challenge_with(settings: &DeliverySettings, app: &App, url: &str) -> Result<(), ChallengeError> {
    client(settings)
        .challenge(app, &Endpoint::parse(url).unwrap(), SIGNED_AT)
        .await
}

/// Answers as an SDK does: opens the body when it has a key, compares the token, returns the challenge.
fn sdk(encrypt_key: &'static str, token: &'static str) -> impl Fn(&Arrived) -> Response<String> + Clone {
    move |request| {
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        if let Some(sealed) = body.get("encrypt") {
            let key = Secret::from(encrypt_key.to_owned());
            let plain = larkspur_wire::open(sealed.as_str().unwrap(), &key).unwrap();
            body = serde_json::from_slice(&plain).unwrap();
        }
        assert_eq!(body["type"], "url_verification");
        if body["token"] != token {
            return Response::builder()
                .status(500)
                .body(r#"{"msg":"invalid verification_token"}"#.to_owned())
                .unwrap();
        }
        Response::new(json!({ "challenge": body["challenge"] }).to_string())
    }
}

const TOKEN: &str = "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV";

#[tokio::test]
async fn a_receiver_with_the_right_token_passes_in_the_clear_and_encrypted() {
    for key in ["", "kudryavka"] {
        let mut receiver = Receiver::start(sdk(key, TOKEN)).await;
        assert_eq!(challenge(&app(key), &receiver.url()).await, Ok(()));
        let request = receiver.arrived.recv().await.unwrap();
        assert_eq!(request.body.starts_with(br#"{"encrypt":""#), !key.is_empty());
        // Python fails on a request without them.
        assert!(request.header("x-lark-signature").is_some());
    }
}

#[tokio::test]
async fn each_challenge_is_another_value() {
    let mut receiver = Receiver::start(sdk("", TOKEN)).await;
    for _ in 0..2 {
        challenge(&app(""), &receiver.url()).await.unwrap();
    }
    let (first, second) = (
        receiver.arrived.recv().await.unwrap(),
        receiver.arrived.recv().await.unwrap(),
    );
    assert_ne!(first.body, second.body);
}

#[tokio::test]
async fn an_sdk_with_an_empty_token_is_told_so() {
    let receiver = Receiver::start(sdk("", "")).await;
    let error = challenge(&app(""), &receiver.url()).await.unwrap_err();
    assert!(matches!(error, ChallengeError::Token { .. }), "{error}");
    assert!(error.hint().contains("Verification Token"));
}

#[tokio::test]
async fn node_without_auto_challenge_is_told_so() {
    let receiver = Receiver::answering(200, r#""no undefined event handle""#).await;
    let error = challenge(&app(""), &receiver.url()).await.unwrap_err();
    assert!(matches!(error, ChallengeError::NoAutoChallenge { .. }), "{error}");
    assert!(error.hint().contains("autoChallenge: true"));
}

#[tokio::test]
async fn a_wrong_path_a_page_and_a_redirect_are_told_apart() {
    let receiver = Receiver::answering(404, "404 page not found").await;
    assert_eq!(
        challenge(&app(""), &receiver.url()).await,
        Err(ChallengeError::NoHandler { status: 404 })
    );
    let receiver = Receiver::answering(200, "It works!").await;
    let expected = ChallengeError::NoChallenge {
        answer: "It works!".to_owned(),
    };
    assert_eq!(challenge(&app(""), &receiver.url()).await, Err(expected));
    let receiver = Receiver::start(|_| {
        Response::builder()
            .status(301)
            .header("location", "/hook/")
            .body(String::new())
            .unwrap()
    });
    let expected = ChallengeError::Redirect {
        status: 301,
        location: "/hook/".to_owned(),
    };
    assert_eq!(challenge(&app(""), &receiver.await.url()).await, Err(expected));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_told_why() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = challenge(&app(""), &format!("http://{nowhere}/")).await.unwrap_err();
    assert_eq!(error, ChallengeError::NothingListens { address: nowhere });

    let guarded = App {
        allow_private_addresses: false,
        ..app("")
    };
    let error = challenge(&guarded, "http://127.0.0.1:1/").await.unwrap_err();
    assert!(
        matches!(error, ChallengeError::PrivateAddress { why: "loopback", .. }),
        "{error}"
    );
    assert!(error.hint().contains("allow_private_addresses"));

    let plain = Receiver::answering(200, "").await;
    let error = challenge(&app(""), &format!("https://{}/", plain.address))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ChallengeError::Tls { .. } | ChallengeError::Unreachable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_after_the_time_limit_fails_and_names_the_limit() {
    let silent = raw(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let error = challenge_with(&impatient(), &app(""), &format!("http://{silent}/"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ChallengeError::TimedOut {
            after: Duration::from_millis(400)
        }
    );
    assert_eq!(DeliverySettings::default().challenge_timeout(), Duration::from_secs(1));

    let half = raw(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"chal")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let error = challenge_with(&impatient(), &app(""), &format!("http://{half}/"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ChallengeError::TimedOut {
            after: Duration::from_millis(400)
        }
    );
}

#[tokio::test]
async fn an_endpoint_that_hangs_up_is_told_where_to_look() {
    let dying = raw(|stream, _| async move { drop(stream) }).await;
    let error = challenge(&app(""), &format!("http://{dying}/")).await.unwrap_err();
    assert_eq!(error, ChallengeError::Closed);
    assert!(error.hint().contains("Encrypt Key"));
}
