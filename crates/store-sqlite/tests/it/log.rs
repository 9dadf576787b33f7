//! What a large log is asked is answered in pieces.

use larkspur_store::DeliveryId;
use larkspur_store::{DeliveryQuery, DeliveryQueue, EventQuery, Log, NewDelivery, NewEvent, Order};
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
