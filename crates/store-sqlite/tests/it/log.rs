//! What a large log is asked is answered in pieces.

use larkspur_store::{
    Delivery, DeliveryId, DeliveryQuery, DeliveryQueue, DeliveryState, EventQuery, Log, NewDelivery, NewEvent, Order,
    Page,
};
use larkspur_wire::{AppId, EventId, TimestampMs};

use crate::{event, open};

/// More than one page looks at.
const EVENTS: u32 = 20_050;
const BATCH: u32 = 1_000;

/// Event `n` of a common type; the first and the last are of a rare one.
fn one_of_many(n: u32) -> NewEvent {
    let accepted_at = TimestampMs(i64::from(n));
    let rare = n == 0 || n == EVENTS - 1;
    NewEvent {
        event_type: if rare {
            "hire.talent.deleted_v1"
        } else {
            "im.message.receive_v1"
        }
        .parse()
        .unwrap(),
        accepted_at,
        deliveries: vec![NewDelivery {
            id: DeliveryId::first_at(accepted_at),
            app_id: AppId::mint([1; 8]),
            withheld: Vec::new(),
            start: larkspur_store::Start::Leased,
        }],
        ..event(n)
    }
}

#[tokio::test]
async fn a_rare_thing_in_a_large_log_is_found_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for first in (0..EVENTS).step_by(BATCH as usize) {
        let last = EVENTS.min(first + BATCH);
        store.accept((first..last).map(one_of_many).collect()).await.unwrap();
    }
    let rare: Vec<EventId> = [EVENTS - 1, 0].into_iter().map(|n| one_of_many(n).id).collect();

    let mut query = EventQuery {
        event_type: "hire.*".parse().ok(),
        limit: 10,
        ..EventQuery::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = store.events(&query).await.unwrap();
        pages.push(page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>());
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [&rare[..1], &rare[1..]]);

    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut query = DeliveryQuery {
            event_type: "hire.*".parse().ok(),
            order,
            limit: 10,
            ..DeliveryQuery::default()
        };
        let mut pages = Vec::new();
        loop {
            let page = store.deliveries(&query).await.unwrap();
            pages.push(page.rows.into_iter().map(|row| row.event_id).collect::<Vec<_>>());
            query.after = page.next.map(|next| next.parse().unwrap());
            if query.after.is_none() {
                break;
            }
        }
        if order == Order::OldestFirst {
            pages.reverse();
        }
        assert_eq!(pages, [&rare[..1], &rare[1..]], "{order:?}");
    }
}

#[tokio::test]
async fn what_is_pending_is_found_at_once_however_much_was_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for first in (0..EVENTS).step_by(BATCH as usize) {
        let last = EVENTS.min(first + BATCH);
        store.accept((first..last).map(one_of_many).collect()).await.unwrap();
    }
    let query = DeliveryQuery {
        state: Some(DeliveryState::Pending),
        limit: 2,
        ..DeliveryQuery::default()
    };
    let newest = |page: Page<Delivery>| page.rows.into_iter().map(|row| row.event_id).collect::<Vec<_>>();
    // All of them: the first page is the newest two.
    let page = store.deliveries(&query).await.unwrap();
    assert_eq!(newest(page), [EVENTS - 1, EVENTS - 2].map(|n| one_of_many(n).id));
    let other = rusqlite::Connection::open(dir.path().join("larkspur.db")).unwrap();
    other
        .execute_batch("UPDATE delivery SET state = 1 WHERE event_seq > 3")
        .unwrap();
    let page = store.deliveries(&query).await.unwrap();
    let next = page.next.clone();
    assert_eq!(newest(page), [2, 1].map(|n| one_of_many(n).id));
    let rest = DeliveryQuery {
        after: next.map(|next| next.parse().unwrap()),
        ..query
    };
    let page = store.deliveries(&rest).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(newest(page), [one_of_many(0).id]);
}
