//! Each fault does what it says, and no more: by persistent connection and by webhook.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use larkspur::{Meta, Router, State};
use larkspur_testkit::{Client, Cut, DeliveryState, Fault, TestPlatform};
use larkspur_wire::endpoint::ENDPOINT_PATH;
use larkspur_wire::{AppId, EventId};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

const EXAM: &str = "hire.eco_exam.created_v1";
const FIRST_RUNG: Duration = Duration::from_secs(15);
/// The platform's deadline where pushes come to a good end: none is missed because this machine is busy.
const PATIENT: Duration = Duration::from_secs(30);
/// The same where a push uses it up, since its answer never comes.
const USED_UP: Duration = Duration::from_secs(5);

/// The ids of events in the order in which handlers were called.
type Order = Arc<Mutex<Vec<String>>>;

async fn note(meta: Meta, State(order): State<Order>) {
    order.lock().unwrap().push(meta.event_id);
}

/// An app that receives in one of the two ways, and what it received.
struct Receiver {
    lab: TestPlatform,
    app: AppId,
    order: Order,
    client: Option<Client>,
}

impl Receiver {
    /// One of each kind, on platforms with this deadline.
    async fn both(deadline: Duration) -> [Self; 2] {
        [Self::connected(deadline).await, Self::hooked(deadline).await]
    }

    async fn lab(deadline: Duration) -> TestPlatform {
        let deadline_ms = deadline.as_millis().try_into().unwrap();
        TestPlatform::with(|settings| settings.delivery.push_timeout_ms = deadline_ms).await
    }

    fn router(order: &Order) -> Router {
        Router::new().fallback(note).with_state(Arc::clone(order))
    }

    async fn connected(deadline: Duration) -> Self {
        let (lab, order) = (Self::lab(deadline).await, Order::default());
        let client = lab.client(Self::router(&order)).await;
        Self {
            app: lab.app().id().parse().unwrap(),
            lab,
            order,
            client: Some(client),
        }
    }

    async fn hooked(deadline: Duration) -> Self {
        let (lab, order) = (Self::lab(deadline).await, Order::default());
        let app = lab.add_webhook_app(true).await;
        lab.serve(&app, Self::router(&order)).await;
        Self {
            lab,
            app,
            order,
            client: None,
        }
    }

    async fn trigger(&self) -> EventId {
        self.lab.trigger_for(&self.app, EXAM).await
    }

    fn order(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }
}

/// A push fails by this fault, after so many calls of the handler, and the next one succeeds.
async fn pushed_again(receiver: Receiver, fault: Fault, handled_before: usize) {
    let lab = &receiver.lab;
    lab.chaos().next(fault);
    let event = receiver.trigger().await;
    assert!(lab.attempts(&event, 1).await[0].error.is_some(), "{fault:?}");
    // The platform may have given up before the handler was called.
    lab.until(async || lab.handled(&event) == handled_before).await;
    lab.advance(FIRST_RUNG);
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered], "{fault:?}");
    assert_eq!(lab.handled(&event), 1, "{fault:?}");
}

#[tokio::test]
async fn a_dropped_ack_and_a_dropped_event_make_the_platform_push_again() {
    let mut all = Vec::new();
    for (fault, handled_before) in [(Fault::DropAck, 1), (Fault::DropEvent, 0)] {
        let both = Receiver::both(USED_UP).await.into_iter();
        all.extend(both.map(|receiver| pushed_again(receiver, fault, handled_before)));
    }
    join_all(all).await;
}

#[tokio::test]
async fn a_duplicate_reaches_the_app_twice_and_the_platform_knows_of_one() {
    for receiver in Receiver::both(PATIENT).await {
        let lab = &receiver.lab;
        lab.chaos().next(Fault::Duplicate);
        let before = lab.chaos().tally().events;
        let event = receiver.trigger().await;
        assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
        lab.until(async || lab.chaos().tally().events == before + 2).await;
        assert_eq!(lab.attempts(&event, 1).await.len(), 1);
        assert_eq!(lab.handled(&event), 1, "the SDK knows it again");
    }
}

#[tokio::test]
async fn of_two_events_the_first_arrives_last() {
    for receiver in Receiver::both(PATIENT).await {
        receiver.lab.chaos().next(Fault::Reorder);
        let first = receiver.trigger().await;
        receiver.lab.until(async || receiver.lab.chaos().waiting() == 0).await;
        let second = receiver.trigger().await;
        for event in [&first, &second] {
            assert_eq!(receiver.lab.settled(event).await, [DeliveryState::Delivered]);
        }
        assert_eq!(receiver.order(), [second.as_str(), first.as_str()]);
    }
}

#[tokio::test]
async fn an_event_in_pieces_arrives_whole() {
    for receiver in Receiver::both(PATIENT).await {
        let before = receiver.lab.chaos().tally().events;
        receiver.lab.chaos().next(Fault::Fragment { bytes: 50 });
        let event = receiver.trigger().await;
        assert_eq!(receiver.lab.settled(&event).await, [DeliveryState::Delivered]);
        assert_eq!(receiver.order(), [event.as_str()]);
        let pieces = receiver.lab.chaos().tally().events - before;
        assert!(pieces > 5 || receiver.client.is_none(), "{pieces}");
    }
}

#[tokio::test]
async fn what_is_delayed_comes_later() {
    let by = Duration::from_millis(100);
    for fault in [Fault::Delay(by), Fault::DelayAck(by)] {
        for receiver in Receiver::both(PATIENT).await {
            receiver.lab.chaos().next(fault);
            let since = Instant::now();
            let event = receiver.trigger().await;
            assert_eq!(receiver.lab.settled(&event).await, [DeliveryState::Delivered]);
            assert!(since.elapsed() >= by, "{fault:?}");
            assert_eq!(receiver.lab.attempts(&event, 1).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn every_cut_ends_what_is_on_its_way_and_what_comes_after_arrives() {
    let cuts = [Cut::Reset, Cut::End, Cut::Close(1001), Cut::Silence, Cut::HalfOpen];
    let mut all = Vec::new();
    for cut in cuts {
        for (fault, handled_before) in [(Fault::CutBeforeEvent(cut), 0), (Fault::CutBeforeAck(cut), 1)] {
            all.push(pushed_again(Receiver::hooked(USED_UP).await, fault, handled_before));
        }
    }
    join_all(all).await;
}

#[tokio::test]
async fn what_was_asked_for_ends_with_calm() {
    let receiver = Receiver::connected(USED_UP).await;
    let lab = &receiver.lab;
    lab.chaos().always(Fault::DropAck);
    let lost = receiver.trigger().await;
    assert!(lab.attempts(&lost, 1).await[0].error.is_some());
    assert_eq!(lab.chaos().waiting(), 1);
    lab.chaos().calm();
    let event = receiver.trigger().await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
}

#[tokio::test]
async fn a_look_up_whose_client_has_hung_up_is_over() {
    let lab = TestPlatform::start().await;
    let authority = lab.chaos_url().trim_start_matches("http://");
    let request = format!("POST {ENDPOINT_PATH} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 0\r\n\r\n");
    let look_up = || {
        let mut client = TcpStream::connect(authority).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client
    };
    for _ in 0..20 {
        // Whoever is in the middle has no turn in between, as on a busy machine.
        drop(look_up());
        let client = look_up();
        client.set_nonblocking(true).unwrap();
        let mut client = tokio::net::TcpStream::from_std(client).unwrap();
        client.read_u8().await.unwrap();
    }
    assert_eq!(lab.chaos().tally().lookups_at_once_max, 1);
}

#[tokio::test]
async fn a_sample_can_be_changed_before_it_is_sent() {
    use larkspur::Event;
    use larkspur::events::hire::EcoExamCreatedV1;
    let lab = TestPlatform::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = async |Event(exam): Event<EcoExamCreatedV1>, State(seen): State<Arc<Mutex<Vec<EcoExamCreatedV1>>>>| {
        seen.lock().unwrap().push(exam);
    };
    let _bot = lab.client(Router::new().on(keep).with_state(Arc::clone(&seen))).await;
    let mut exam: EcoExamCreatedV1 = lab.sample();
    exam.exam_id = Some("42".to_owned());
    let event = lab.trigger_event(&exam).await;
    assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
    assert_eq!(*seen.lock().unwrap(), [exam]);
}
