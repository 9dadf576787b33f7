//! Events on their way out, and acks on their way back.

use std::collections::BTreeSet;
use std::time::Duration;

use larkspur_platform::{AckNotOk, AckWithoutBizRt, Assumptions, RetryConnection, SessionSettings};
use larkspur_store::Mode;
use larkspur_wire::AppId;
use tokio::time::Instant;

use super::client::Client;
use super::{ACK_TIMEOUT, app, event, hub, hub_with, wait_for};
use crate::hub::{Hub, SessionPush};
use crate::push::Pushed;

const OK: &str = r#"{"code":200}"#;

/// Pushes while the test plays the client.
fn pushing(hub: &Hub, app: &AppId, push: SessionPush) -> tokio::task::JoinHandle<Pushed> {
    let (hub, app) = (hub.clone(), app.clone());
    tokio::spawn(async move { hub.push(&app, push).await })
}

fn assuming(assumptions: Assumptions) -> Hub {
    hub_with(SessionSettings::default(), assumptions)
}

#[tokio::test]
async fn an_event_is_pushed_and_acked() {
    let hub = hub();
    let mut client = Client::connect_tcp(&hub, &app()).await;
    let pushing = pushing(&hub, &app(), event(r#"{"schema":"2.0"}"#));
    let (frame, payload) = client.next_event().await;
    assert_eq!(payload, r#"{"schema":"2.0"}"#);
    assert!(frame.seq_id < 1 << 53 && frame.log_id < 1 << 53);
    let keys: Vec<_> = frame.headers.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(keys, ["type", "message_id", "sum", "seq", "trace_id", "timestamp"]);
    assert_eq!(
        (frame.header("type"), frame.header("sum"), frame.header("seq")),
        (Some("event"), Some("1"), Some("0"))
    );
    assert_eq!(frame.header("timestamp"), Some("1700000000000"));
    // As Go spells it.
    client.ack(frame, r#"{"code":200,"headers":null,"data":null}"#).await;
    let pushed = pushing.await.unwrap();
    assert_eq!(
        (pushed.outcome, pushed.code, pushed.mode),
        (Ok(()), Some(200), Mode::Websocket)
    );
    assert_eq!(pushed.target, client.id.to_string());
    assert_eq!(pushed.answer, r#"{"code":200,"headers":null,"data":null}"#);
    let [session] = &hub.sessions()[..] else { panic!() };
    assert_eq!((session.pushed, session.acked), (1, 1));
}

/// What a push comes to when the client answers this.
async fn answered(assumptions: Assumptions, payload: &'static str, biz_rt: bool) -> Pushed {
    let hub = assuming(assumptions);
    let mut client = Client::connect(&hub, &app()).await;
    let pushing = pushing(&hub, &app(), event("{}"));
    let (frame, _) = client.next_event().await;
    if biz_rt {
        client.ack(frame, payload).await;
    } else {
        client.ack_without_biz_rt(frame, payload).await;
    }
    pushing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_ack_with_code_500_refuses_the_event_unless_assumed_otherwise() {
    let refused = answered(Assumptions::default(), r#"{"code": 500}"#, false).await;
    assert_eq!(
        (refused.code, refused.outcome),
        (Some(500), Err("the app answered code 500".to_owned()))
    );
    assert!(refused.took < ACK_TIMEOUT);
    let accept = Assumptions {
        ack_not_ok: AckNotOk::Accept,
        ..Assumptions::default()
    };
    let accepted = answered(accept, r#"{"code": 500}"#, false).await;
    assert_eq!((accepted.code, accepted.outcome), (Some(500), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn an_ack_without_biz_rt_takes_the_event_unless_assumed_otherwise() {
    assert!(answered(Assumptions::default(), OK, false).await.outcome.is_ok());
    let strict = Assumptions {
        ack_without_biz_rt: AckWithoutBizRt::Retry,
        ..Assumptions::default()
    };
    assert!(answered(strict.clone(), OK, false).await.outcome.is_err());
    assert!(answered(strict, OK, true).await.outcome.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_cannot_be_read_refuses_the_event_at_once() {
    let pushed = answered(Assumptions::default(), "not json", true).await;
    assert!(pushed.outcome.is_err() && pushed.code.is_none() && pushed.took < ACK_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn without_an_ack_the_push_fails_after_3_s() {
    let hub = hub();
    let client = Client::connect(&hub, &app()).await;
    let pushed = hub.push(&app(), event("{}")).await;
    assert_eq!(pushed.outcome, Err("no ack within 3000 ms".to_owned()));
    assert_eq!(pushed.took.as_secs(), 3);
    assert_eq!(pushed.target, client.id.to_string());
}

#[tokio::test(start_paused = true)]
async fn without_a_live_session_the_push_fails_at_once() {
    let hub = hub();
    let before = Instant::now();
    let never = hub.push(&app(), event("{}")).await;
    assert_eq!(never.outcome, Err("no live session of the app".to_owned()));
    drop(Client::connect(&hub, &app()).await);
    wait_for("the session ends", || hub.online(&app()) == 0).await;
    let no_longer = hub.push(&app(), event("{}")).await;
    assert_eq!((no_longer.outcome, no_longer.target.as_str()), (never.outcome, ""));
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn two_sessions_share_events_and_none_goes_to_both() {
    let hub = hub();
    let first = tokio::spawn(Client::connect(&hub, &app()).await.take_all());
    let second = tokio::spawn(Client::connect(&hub, &app()).await.take_all());
    let pushes: Vec<_> = (0..200).map(|_| pushing(&hub, &app(), event("{}"))).collect();
    for push in pushes {
        assert_eq!(push.await.unwrap().outcome, Ok(()));
    }
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first + second, 200);
    assert!(first > 60 && second > 60, "{first} and {second}");
}

#[tokio::test(start_paused = true)]
async fn an_ack_counts_on_whichever_session_it_comes() {
    let hub = hub();
    let mut old = Client::connect(&hub, &app()).await;
    let pushing = pushing(&hub, &app(), event("{}"));
    let (frame, _) = old.next_event().await;
    let mut new = Client::connect(&hub, &app()).await;
    drop(old);
    wait_for("the old session ends", || hub.online(&app()) == 1).await;
    new.ack(frame, OK).await;
    assert_eq!(pushing.await.unwrap().outcome, Ok(()));
    assert_eq!(hub.counts().acks_unmatched, 0);
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_another_app_does_not_count() {
    let hub = hub();
    let mut ours = Client::connect(&hub, &app()).await;
    let mut stranger = Client::connect(&hub, &AppId::mint([8; 8])).await;
    let pushing = pushing(&hub, &app(), event("{}"));
    let (frame, _) = ours.next_event().await;
    stranger.ack(frame, OK).await;
    assert!(pushing.await.unwrap().outcome.is_err());
    assert_eq!(hub.counts().acks_unmatched, 1);
}

#[tokio::test(start_paused = true)]
async fn late_and_repeated_acks_are_counted_and_harmless() {
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    assert!(hub.push(&app(), event("{}")).await.outcome.is_err());
    let (late, _) = client.next_event().await;
    client.ack(late, OK).await;
    let pushing = pushing(&hub, &app(), event("{}"));
    let (frame, _) = client.next_event().await;
    client.ack(frame.clone(), OK).await;
    client.ack(frame, r#"{"code":500}"#).await;
    assert_eq!(pushing.await.unwrap().outcome, Ok(()));
    wait_for("both are counted", || hub.counts().acks_unmatched == 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_session_ends_before_it_is_written_goes_to_another_at_once() {
    let settings = SessionSettings {
        first_push_delay_ms: 60_000,
        ..SessionSettings::default()
    };
    let same = Assumptions {
        retry_connection: RetryConnection::Same,
        ..Assumptions::default()
    };
    let hub = hub_with(settings, same);
    let held = Client::connect(&hub, &app()).await;
    let mut open = Client::connect(&hub, &app()).await;
    open.ping().await;
    let before = Instant::now();
    let pushing = pushing(
        &hub,
        &app(),
        SessionPush {
            previous: Some(held.id),
            ..event("{}")
        },
    );
    tokio::task::yield_now().await;
    drop(held);
    open.next_frame().await;
    let (frame, _) = open.next_event().await;
    open.ack(frame, OK).await;
    let pushed = pushing.await.unwrap();
    assert_eq!((pushed.outcome, pushed.target), (Ok(()), open.id.to_string()));
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_3_mb_event_arrives_whole_in_fragments_python_can_take() {
    let hub = hub();
    let mut client = Client::connect_tcp(&hub, &app()).await;
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let pushing = pushing(&hub, &app(), event(payload.clone()));
    let mut whole = Vec::new();
    let mut ids = BTreeSet::new();
    for seq in 0..6 {
        let frame = client.next_frame().await;
        let part = frame.payload.clone().unwrap();
        assert!(part.len() <= 512 * 1024);
        assert_eq!(
            (frame.header("sum"), frame.header("seq")),
            (Some("6"), Some(seq.to_string().as_str()))
        );
        ids.insert(frame.header("message_id").unwrap().to_owned());
        whole.extend_from_slice(&part);
        if seq == 5 {
            client.ack(frame, OK).await;
        }
    }
    assert!(whole == payload && ids.len() == 1);
    assert_eq!(pushing.await.unwrap().outcome, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn fragments_are_as_large_as_the_assumption_says() {
    let hub = assuming(Assumptions {
        fragment_bytes: 4,
        ..Assumptions::default()
    });
    let mut client = Client::connect(&hub, &app()).await;
    let _pushing = pushing(&hub, &app(), event("0123456789"));
    for (seq, part) in ["0123", "4567", "89"].into_iter().enumerate() {
        let frame = client.next_frame().await;
        assert_eq!(frame.payload.as_deref(), Some(part.as_bytes()));
        assert_eq!(
            (frame.header("sum"), frame.header("seq")),
            (Some("3"), Some(seq.to_string().as_str()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_event_waits_for_a_moment_or_for_the_first_ping() {
    let settings = SessionSettings {
        first_push_delay_ms: 500,
        ..SessionSettings::default()
    };
    let hub = hub_with(settings, Assumptions::default());
    let opened = Instant::now();
    let mut silent = Client::connect(&hub, &app()).await;
    let _first = pushing(&hub, &app(), event("{}"));
    silent.next_event().await;
    let waited = opened.elapsed();
    assert!(
        waited >= Duration::from_millis(500) && waited < Duration::from_millis(600),
        "{waited:?}"
    );

    let (opened, other) = (Instant::now(), AppId::mint([8; 8]));
    let mut pinging = Client::connect(&hub, &other).await;
    let _second = pushing(&hub, &other, event("{}"));
    pinging.ping().await;
    pinging.next_frame().await;
    pinging.next_event().await;
    assert!(opened.elapsed() < Duration::from_millis(100), "{:?}", opened.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_read_holds_up_no_other() {
    let same = Assumptions {
        retry_connection: RetryConnection::Same,
        ..Assumptions::default()
    };
    let hub = assuming(same);
    let stalled = Client::connect_with(&hub, &app(), 64).await;
    let swift = Client::connect(&hub, &app()).await;
    let preferring = || SessionPush {
        previous: Some(stalled.id),
        ..event("{}")
    };
    let pushes: Vec<_> = (0..300).map(|_| pushing(&hub, &app(), preferring())).collect();
    let taken = tokio::spawn(swift.take_all());
    let mut delivered = 0;
    for push in pushes {
        delivered += usize::from(push.await.unwrap().outcome.is_ok());
    }
    assert!(delivered >= 40, "{delivered}");
    assert_eq!(delivered, taken.await.unwrap());
}

/// The sessions that 20 retries go to, of two, when the first attempt went to one of them.
async fn sessions_of_retries(retry_connection: RetryConnection) -> BTreeSet<String> {
    let hub = assuming(Assumptions {
        retry_connection,
        ..Assumptions::default()
    });
    let (one, two) = (Client::connect(&hub, &app()).await, Client::connect(&hub, &app()).await);
    let previous = Some(one.id);
    let tasks = [tokio::spawn(one.take_all()), tokio::spawn(two.take_all())];
    let mut sessions = BTreeSet::new();
    for _ in 0..40 {
        sessions.insert(
            hub.push(
                &app(),
                SessionPush {
                    previous,
                    ..event("{}")
                },
            )
            .await
            .target,
        );
    }
    for task in tasks {
        task.await.unwrap();
    }
    sessions
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_any_session_or_to_the_same_as_the_assumption_says() {
    assert_eq!(sessions_of_retries(RetryConnection::Random).await.len(), 2);
    assert_eq!(sessions_of_retries(RetryConnection::Same).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_id_is_kept_when_given_and_new_otherwise() {
    let hub = hub();
    let mut client = Client::connect(&hub, &app()).await;
    let mut message_ids = BTreeSet::new();
    for message_id in [None, None, Some("kept".parse().unwrap()), Some("kept".parse().unwrap())] {
        let pushing = pushing(
            &hub,
            &app(),
            SessionPush {
                message_id,
                ..event("{}")
            },
        );
        let (frame, _) = client.next_event().await;
        message_ids.insert(frame.header("message_id").unwrap().to_owned());
        client.ack(frame, OK).await;
        pushing.await.unwrap().outcome.unwrap();
    }
    assert!(
        message_ids.len() == 3 && message_ids.contains("kept"),
        "{message_ids:?}"
    );
}
