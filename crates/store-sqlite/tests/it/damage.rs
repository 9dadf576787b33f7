//! Pages that cannot be read cost what is on them, and hold up nothing else.

use std::path::Path;
use std::sync::Arc;

use larkspur_store::{
    Accepted, Attempt, Claimed, DeliveryId, DeliveryQueue, DeliveryState, Log, Mode, Settlement, Start, StoreError,
    Trim, Upkeep, Verdict, Want,
};
use larkspur_store_sqlite::SqliteStore;
use larkspur_wire::{AppId, TimestampMs};
use tokio::task::JoinSet;

use crate::{alter, closed, event, open};

const PAGE: usize = 4096;
const NOW: TimestampMs = TimestampMs(100);
const LEASE_END: TimestampMs = TimestampMs(60_000);

/// The leaves of a table or index, as places in the file.
fn leaves(bytes: &[u8], page: usize) -> Vec<usize> {
    let at = (page - 1) * PAGE;
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    if ![2, 5].contains(&bytes[at]) {
        return vec![at];
    }
    let n_cells = usize::from(u16::from_be_bytes([bytes[at + 3], bytes[at + 4]]));
    let cell = |n: usize| usize::from(u16::from_be_bytes([bytes[at + 12 + 2 * n], bytes[at + 13 + 2 * n]]));
    let children = (0..n_cells).map(|n| number(at + cell(n)));
    children
        .chain([number(at + 8)])
        .flat_map(|child| leaves(bytes, child))
        .collect()
}

/// Overwrites those leaves of a tree that hold these bytes, or one in the middle.
fn damage(path: &Path, tree: &str, holds: &[u8]) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u32 = connection.query_row(root, [tree], |row| row.get(0)).unwrap();
    connection.close().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let leaves = leaves(&bytes, root as usize);
    // What was moved to another page leaves its bytes behind, so that there may be several.
    let is_hit = |at: &usize| match holds {
        [] => *at == leaves[leaves.len() / 2],
        holds => bytes[*at..*at + PAGE].windows(holds.len()).any(|part| part == holds),
    };
    let hit: Vec<_> = leaves.iter().copied().filter(is_hit).collect();
    assert!(!hit.is_empty() && hit.len() < leaves.len(), "{tree}: {hit:?}");
    for at in hit {
        bytes[at..at + PAGE].fill(0xaa);
    }
    std::fs::write(path, bytes).unwrap();
}

fn damage_event(path: &Path, n: u32) {
    damage(path, "event", event(n).id.as_str().as_bytes());
}

fn damage_delivery(path: &Path, n: u32) {
    damage(path, "delivery", &u128::from(n).to_be_bytes());
}

async fn claim(store: &SqliteStore, limit: u32) -> Claimed {
    let want = Want {
        app_id: AppId::mint([1; 8]),
        limit,
    };
    let mut claimed = store.claim(vec![want], NOW, LEASE_END).await.unwrap();
    claimed.pop().unwrap()
}

fn delivered(n: u32, generation: u32) -> Settlement {
    Settlement {
        delivery: DeliveryId(n.into()),
        generation,
        attempt: Attempt {
            number: 1,
            started_at: TimestampMs(1),
            mode: Mode::Webhook,
            target: "example.com".to_owned(),
            code: Some(200),
            took: std::time::Duration::ZERO,
            answer: bytes::Bytes::new(),
            error: None,
        },
        verdict: Verdict::Delivered,
        in_order: false,
    }
}

#[tokio::test]
async fn a_damaged_page_costs_no_start_and_no_id_of_another_page() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 200).await;
    let path = dir.path().join("larkspur.db");
    // As after a crash: the ids are not in the file.
    alter(&path, "DELETE FROM event_print; UPDATE printed SET before = 0");
    damage_event(&path, 100);

    let store = open(dir.path()).unwrap();
    for n in [1, 200] {
        let again = store.accept(vec![event(n)]).await.unwrap();
        assert!(matches!(again[..], [Accepted::Repeated(_)]), "{again:?}");
    }
}

#[tokio::test]
async fn what_can_be_read_is_claimed_and_what_cannot_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 200).await;
    damage_event(&dir.path().join("larkspur.db"), 100);

    let store = open(dir.path()).unwrap();
    assert_eq!(store.release_leases(TimestampMs(5)).await.unwrap(), 200);
    let mut claims = Vec::new();
    // Two at a time: what cannot be claimed takes nobody's place, and nobody is told to come at once for it.
    loop {
        let claimed = claim(&store, 2).await;
        claims.extend(claimed.claims);
        match claimed.next_due {
            Some(at) if at <= NOW => {}
            next_due => {
                assert_eq!(next_due, Some(LEASE_END));
                break;
            }
        }
    }
    let n_damaged = 200 - claims.len();
    assert!((1..100).contains(&n_damaged), "{n_damaged}");
    assert!(claims.iter().all(|claim| claim.delivery.id != DeliveryId(100)));
    assert_eq!(store.writing().failed, n_damaged as u64);
}

#[tokio::test]
async fn a_page_of_deliveries_holds_up_no_start_no_claim_no_settlement_and_no_event() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 300).await;
    damage_delivery(&dir.path().join("larkspur.db"), 150);

    let store = open(dir.path()).unwrap();
    let released = store.release_leases(TimestampMs(5)).await.unwrap();
    assert!((100..300).contains(&released), "{released}");
    let (claimed, accepted) = tokio::join!(claim(&store, 1_000), store.accept(vec![event(301)]));
    assert!(matches!(accepted.unwrap()[..], [Accepted::New]));
    assert_eq!(claimed.claims.len() as u64, released);
    let settlements = claimed.claims.iter().map(|claim| (claim.delivery.id, 2));
    let settlements = settlements.chain([(DeliveryId(150), 1)]);
    let settlements = settlements.map(|(id, generation)| delivered(id.0.try_into().unwrap(), generation));
    store.settle(settlements.collect()).await.unwrap();
    for claim in &claimed.claims {
        let row = store.delivery(claim.delivery.id).await.unwrap().unwrap();
        assert_eq!(row.state, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn a_page_of_deliveries_that_is_damaged_while_they_are_pushed_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 300).await;
    damage_delivery(&dir.path().join("larkspur.db"), 150);

    let store = open(dir.path()).unwrap();
    // Nobody has met the page before.
    let settlements = [1, 150, 300].map(|n| delivered(n, 1));
    let (settled, accepted) = tokio::join!(store.settle(settlements.into()), store.accept(vec![event(301)]));
    settled.unwrap();
    assert!(matches!(accepted.unwrap()[..], [Accepted::New]));
    for n in [1, 300] {
        let row = store.delivery(DeliveryId(n)).await.unwrap().unwrap();
        assert_eq!(row.state, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn a_page_of_an_index_that_a_settlement_needs_costs_that_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 1..=400 {
        store.accept(vec![event(n)]).await.unwrap();
        if n <= 300 {
            let dead = Settlement {
                verdict: Verdict::Dead,
                ..delivered(n, 1)
            };
            store.settle(vec![dead]).await.unwrap();
        }
    }
    store.close().await;
    damage(
        &dir.path().join("larkspur.db"),
        "delivery_dead",
        &300_u128.to_be_bytes(),
    );

    let store = open(dir.path()).unwrap();
    // The index of the dead grows at its end, which is damaged.
    let dead = Settlement {
        verdict: Verdict::Dead,
        ..delivered(350, 1)
    };
    let settlements = vec![delivered(349, 1), dead, delivered(351, 1)];
    while store.settle(settlements.clone()).await.is_err() {}
    for n in [349, 351] {
        let row = store.delivery(DeliveryId(n)).await.unwrap().unwrap();
        assert_eq!(row.state, DeliveryState::Delivered, "{n}");
    }
}

#[tokio::test]
async fn a_page_of_the_index_of_what_is_due_costs_its_app_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let of_app = |n: u32, app: u8| {
        let mut event = event(n);
        event.deliveries[0].app_id = AppId::mint([app; 8]);
        event.deliveries[0].start = Start::Due;
        event
    };
    // Rows of the first app fill some pages before those of the second.
    for n in 1..=300 {
        store.accept(vec![of_app(n, 1)]).await.unwrap();
    }
    for n in 301..=600 {
        store.accept(vec![of_app(n, 2)]).await.unwrap();
    }
    store.close().await;
    damage(&dir.path().join("larkspur.db"), "delivery_due", &10_u128.to_be_bytes());

    let store = open(dir.path()).unwrap();
    let want = |app: u8| Want {
        app_id: AppId::mint([app; 8]),
        limit: 100,
    };
    let (claimed, accepted) = loop {
        let claim = store.claim(vec![want(1), want(2)], NOW, LEASE_END);
        let (claimed, accepted) = tokio::join!(claim, store.accept(vec![event(1_000)]));
        if let Ok(claimed) = claimed {
            break (claimed, accepted);
        }
    };
    assert!(accepted.is_ok());
    assert_eq!(claimed[0].next_due, None);
    assert_eq!(claimed[1].claims.len(), 100);
}

#[tokio::test]
async fn a_page_of_the_index_of_ids_holds_up_no_event() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000).await;
    let path = dir.path().join("larkspur.db");
    // Any leaf: what it holds differs from file to file.
    damage(&path, "event_print", &[]);

    let store = Arc::new(open(dir.path()).unwrap());
    let mut accepting = JoinSet::new();
    for n in 1_001..=1_200 {
        let store = Arc::clone(&store);
        accepting.spawn(async move { store.accept(vec![event(n)]).await });
    }
    let mut n_accepted = 0;
    for accepted in accepting.join_all().await {
        match accepted {
            Ok(accepted) => {
                assert!(matches!(accepted[..], [Accepted::New]));
                n_accepted += 1;
            }
            // Whether one whose fingerprint would be on that page is known already, nobody can tell.
            Err(error) => assert!(matches!(error, StoreError::Backend { .. }), "{error}"),
        }
    }
    assert!((80..200).contains(&n_accepted), "{n_accepted}");
    // And no start, after which those that could not go to the file are known still.
    let store = Arc::into_inner(store).unwrap();
    store.close().await;
    let store = open(dir.path()).unwrap();
    let mut n_known = 0;
    for n in 1_001..=1_200 {
        if let Ok(accepted) = store.accept(vec![event(n)]).await {
            n_known += usize::from(matches!(accepted[..], [Accepted::Repeated(_)]));
        }
    }
    assert_eq!(n_known, n_accepted);
}

#[tokio::test]
async fn what_can_be_read_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 1..=200 {
        store.accept(vec![event(n)]).await.unwrap();
        store.settle(vec![delivered(n, 1)]).await.unwrap();
    }
    store.close().await;
    damage_event(&dir.path().join("larkspur.db"), 100);

    let store = open(dir.path()).unwrap();
    let mut trim = Trim {
        before: TimestampMs(1),
        bytes_max: None,
        after: None,
        rows_max: 90,
    };
    let (mut n_events, mut n_failed) = (0, 0);
    loop {
        let Ok(trimmed) = store.trim(&trim).await else {
            // A page beside the damaged one cannot be merged with it, which only deleting tells.
            n_failed += 1;
            assert!(n_failed < 10, "{n_events} events");
            continue;
        };
        n_events += trimmed.events;
        match trimmed.next {
            Some(next) => trim.after = Some(next),
            None => break,
        }
    }
    assert!((100..200).contains(&n_events), "{n_events}");
}
