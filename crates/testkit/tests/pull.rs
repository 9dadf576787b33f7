//! Events pulled one by one from a real platform.

use std::time::Duration;

use larkspur_testkit::{DeliveryState, TestPlatform};

#[tokio::test]
async fn a_pulled_event_is_delivered_when_it_is_acked_and_comes_again_when_it_is_dropped() {
    let platform = TestPlatform::start().await;
    let mut deliveries = platform.app().deliveries();
    let event = tokio::select! {
        _ = deliveries.next() => panic!("nothing was published yet"),
        event = async {
            platform.online(1).await;
            platform.trigger("hire.eco_exam.created_v1").await
        } => event,
    };
    let pulled = deliveries.next().await.unwrap().unwrap();
    assert_eq!(pulled.meta().event_id, event.as_str());
    drop(pulled);
    platform.attempts(&event, 1).await;
    platform.advance(Duration::from_secs(15));
    deliveries.next().await.unwrap().unwrap().ack().unwrap();
    assert_eq!(platform.settled(&event).await, [DeliveryState::Delivered]);
    let report = deliveries.close().await.unwrap();
    assert_eq!((report.handled, report.failed), (1, 1));
}
