//! Callbacks on their way out, and answers on their way back.

use larkspur_platform::{AckNotOk, Assumptions, SessionSettings};
use tokio::task::JoinHandle;

use super::client::Client;
use super::{ACK_TIMEOUT, app, event, hub, hub_with};
use crate::call::{CallFailure, Reply};
use crate::hub::Hub;

/// Calls while the test plays the client.
fn calling(hub: &Hub) -> JoinHandle<Reply> {
    let hub = hub.clone();
    tokio::spawn(async move { hub.call(&app(), event("{}")).await })
}

/// What a call comes to when the client acknowledges with this.
async fn answered(hub: &Hub, payload: &'static str) -> Reply {
    let mut client = Client::connect(hub, &app()).await;
    let calling = calling(hub);
    let (frame, _) = client.next_event().await;
    assert_eq!(
        frame.header("type"),
        Some("event"),
        "every SDK drops frames of another type"
    );
    client.ack(frame, payload).await;
    calling.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_back_out_of_its_base64() {
    // As Go spells it, with {"toast":{}} inside.
    let reply = answered(&hub(), r#"{"code":200,"headers":null,"data":"eyJ0b2FzdCI6e319"}"#).await;
    assert_eq!((reply.code, reply.answer), (Some(200), Ok(r#"{"toast":{}}"#.into())));
    let nothing = answered(&hub(), r#"{"code": 200}"#).await;
    assert_eq!(nothing.answer, Ok("".into()));
}

#[tokio::test(start_paused = true)]
async fn a_code_that_takes_an_event_by_assumption_answers_no_callback() {
    let accept = Assumptions {
        ack_not_ok: AckNotOk::Accept,
        ..Assumptions::default()
    };
    let hub = hub_with(SessionSettings::default(), accept);
    let reply = answered(&hub, r#"{"code":500}"#).await;
    assert_eq!(reply.answer, Err(CallFailure::Code { code: 500 }));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_told() {
    for payload in [
        "not json",
        r#"{"code":200,"data":{"toast":{}}}"#,
        r#"{"code":200,"data":"{}"}"#,
    ] {
        let reply = answered(&hub(), payload).await;
        assert!(
            matches!(reply.answer, Err(CallFailure::NotAnAnswer { .. })),
            "{payload}: {reply:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_on_another_connection() {
    let hub = hub();
    let mut first = Client::connect(&hub, &app()).await;
    let calling = calling(&hub);
    let (frame, _) = first.next_event().await;
    let mut second = Client::connect(&hub, &app()).await;
    drop(first);
    second.ack(frame, r#"{"code":200,"data":"e30="}"#).await;
    assert_eq!(calling.await.unwrap().answer, Ok("{}".into()));
}

#[tokio::test(start_paused = true)]
async fn nobody_online_and_nobody_in_time_are_told_apart() {
    let hub = hub();
    let nobody = hub.call(&app(), event("{}")).await;
    assert_eq!(
        (nobody.target.as_str(), nobody.answer),
        ("", Err(CallFailure::NotOnline))
    );
    let client = Client::connect(&hub, &app()).await;
    let late = hub.call(&app(), event("{}")).await;
    assert_eq!(
        (late.target, late.answer),
        (client.id.to_string(), Err(CallFailure::TimedOut { after: ACK_TIMEOUT }))
    );
}
