//! The queue against a simple reference: random operations with crashes among them, the same answers, the same rows.

mod reference;

use std::path::Path;

use larkspur_store::{
    Accepted, Attempt, DeliveryId, DeliveryQuery, DeliveryQueue, DeliveryState, Depth, Log, Mode, NewDelivery,
    NewEvent, Registry, Settlement, Start, Verdict, Want,
};
use larkspur_store_sqlite::SqliteStore;
use larkspur_wire::{AppId, EventId, TimestampMs};
use proptest::prelude::*;

use crate::open;
use reference::Reference;

/// Few, so that operations meet.
const APPS: u8 = 3;
const EVENTS: u32 = 10;
const LEASE_MS: i64 = 60;

/// An event to accept: its number, which of two contents it has, and its deliveries.
type NewRow = (u32, u8, Vec<(u8, Beginning)>);

#[derive(Clone, Copy, Debug)]
enum Beginning {
    Leased,
    Due,
    InOrder(u8),
}

/// Something that is done to the store. Deliveries are chosen among those there are.
#[derive(Clone, Debug)]
enum Operation {
    Accept(Vec<NewRow>),
    Claim(Vec<(u8, u32)>),
    /// Which, how many generations too old, how it went: delivered, dead, or again after this long.
    Settle(Vec<(usize, u32, Option<i64>, bool)>),
    Resend(Vec<usize>),
    DeleteApp(u8),
    ReleaseLeases,
    /// The process ends in order and starts again.
    Restart,
    /// The process is killed and another starts on what it left.
    Crash,
    /// Time passes.
    Pass(i64),
}

fn beginning() -> impl Strategy<Value = Beginning> {
    prop_oneof![
        Just(Beginning::Leased),
        Just(Beginning::Due),
        (0..2_u8).prop_map(Beginning::InOrder)
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let event = (0..EVENTS, 0..2_u8, prop::collection::vec((0..APPS, beginning()), 0..4));
    let settlement = (any::<usize>(), 0..2_u32, prop::option::of(0..200_i64), any::<bool>());
    prop_oneof![
        4 => prop::collection::vec(event, 1..4).prop_map(Operation::Accept),
        4 => prop::collection::vec((0..APPS, 0..4_u32), 1..4).prop_map(Operation::Claim),
        6 => prop::collection::vec(settlement, 1..5).prop_map(Operation::Settle),
        2 => prop::collection::vec(any::<usize>(), 1..4).prop_map(Operation::Resend),
        1 => (0..APPS).prop_map(Operation::DeleteApp),
        1 => Just(Operation::ReleaseLeases),
        1 => Just(Operation::Restart),
        2 => Just(Operation::Crash),
        3 => (1..100_i64).prop_map(Operation::Pass),
    ]
}

fn app_id(app: u8) -> AppId {
    AppId::mint([app; 8])
}

fn new_event((n, content, deliveries): &NewRow, now: TimestampMs) -> NewEvent {
    let delivery = |(idx, (app, beginning)): (usize, &(u8, Beginning))| NewDelivery {
        // Ids are in order of acceptance, and no two contents share one.
        id: DeliveryId(
            (u128::from(now.0.unsigned_abs()) << 32) + u128::from(n * 16 + u32::from(content * 8)) + idx as u128,
        ),
        app_id: app_id(*app),
        withheld: vec!["a.b".to_owned(); idx % 2],
        start: match beginning {
            Beginning::Leased => Start::Leased,
            Beginning::Due => Start::Due,
            Beginning::InOrder(key) => Start::InOrder { key: key.to_string() },
        },
    };
    NewEvent {
        id: EventId::mint(u128::from(*n).to_be_bytes()),
        event_type: "im.message.receive_v1".parse().unwrap(),
        tenant_key: None,
        create_time: now,
        accepted_at: now,
        payload: format!("{{\"n\":{n}}}").into(),
        digest: [*content; 32],
        deliveries: deliveries.iter().enumerate().map(delivery).collect(),
        lease_until: TimestampMs(now.0 + LEASE_MS),
        binds: Vec::new(),
        known_only: *content == 1 && deliveries.is_empty(),
    }
}

/// The store, the reference, and where the files are.
struct Pair {
    dirs: Vec<tempfile::TempDir>,
    store: SqliteStore,
    reference: Reference,
    now: TimestampMs,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: open(dir.path()).unwrap(),
            dirs: vec![dir],
            reference: Reference::default(),
            now: TimestampMs(1_000),
        }
    }

    fn dir(&self) -> &Path {
        self.dirs.last().unwrap().path()
    }

    async fn run(&mut self, operation: &Operation) {
        // Every moment is another one, so that ids made at it are new.
        self.now.0 += 1;
        let now = self.now;
        match operation {
            Operation::Accept(rows) => {
                let events: Vec<_> = rows.iter().map(|row| new_event(row, now)).collect();
                let expected: Vec<Accepted> = events.iter().map(|event| self.reference.accept(event)).collect();
                assert_eq!(self.store.accept(events).await.unwrap(), expected);
            }
            Operation::Claim(wants) => {
                let until = TimestampMs(now.0 + LEASE_MS);
                let want = |(app, limit): &(u8, u32)| Want {
                    app_id: app_id(*app),
                    limit: *limit,
                };
                let wants: Vec<_> = wants.iter().map(want).collect();
                let expected: Vec<_> = wants
                    .iter()
                    .map(|want| self.reference.claim(want, now, until))
                    .collect();
                assert_eq!(self.store.claim(wants, now, until).await.unwrap(), expected);
            }
            Operation::Settle(which) => {
                let settlements: Vec<_> = which.iter().filter_map(|one| self.settlement(one)).collect();
                for settlement in &settlements {
                    self.reference.settle(settlement);
                }
                self.store.settle(settlements).await.unwrap();
            }
            Operation::Resend(which) => {
                let ids: Vec<_> = which.iter().filter_map(|which| self.reference.choose(*which)).collect();
                let expected = self.reference.resend(&ids, now);
                assert_eq!(self.store.resend(ids, now).await.unwrap(), expected);
            }
            Operation::DeleteApp(app) => {
                self.reference.delete_app(&app_id(*app));
                assert!(!self.store.delete_app(&app_id(*app)).await.unwrap());
            }
            Operation::ReleaseLeases => {
                let expected = self.reference.release_leases(now);
                assert_eq!(self.store.release_leases(now).await.unwrap(), expected);
            }
            Operation::Restart => {
                self.store.close().await;
                self.store = open(self.dir()).unwrap();
            }
            Operation::Crash => self.crash(),
            Operation::Pass(ms) => self.now.0 += ms,
        }
        self.compare().await;
    }

    /// What another process finds when this one is killed: the files as they are, and nothing of memory.
    fn crash(&mut self) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["larkspur.db", "larkspur.db-wal"] {
            let from = self.dir().join(name);
            if from.exists() {
                std::fs::copy(from, dir.path().join(name)).unwrap();
            }
        }
        self.store = open(dir.path()).unwrap();
        self.dirs.push(dir);
    }

    fn settlement(&self, (which, too_old, again, taken): &(usize, u32, Option<i64>, bool)) -> Option<Settlement> {
        let row = self.reference.row(self.reference.choose(*which)?)?;
        let verdict = match again {
            Some(after) => Verdict::Again(TimestampMs(self.now.0 + after)),
            None if *taken => Verdict::Delivered,
            None => Verdict::Dead,
        };
        let attempt = Attempt {
            number: row.attempts + 1,
            started_at: self.now,
            mode: Mode::Webhook,
            target: "http://a.b/".to_owned(),
            code: Some(200),
            took: std::time::Duration::from_micros(7),
            answer: "ok".into(),
            error: (!taken).then(|| "no".to_owned()),
        };
        Some(Settlement {
            delivery: row.id,
            generation: row.generation.saturating_sub(*too_old),
            attempt,
            verdict,
            in_order: row.in_order,
        })
    }

    async fn compare(&self) {
        let query = DeliveryQuery {
            limit: 1_000,
            ..DeliveryQuery::default()
        };
        let mut rows = self.store.deliveries(&query).await.unwrap().rows;
        rows.reverse();
        let mut expected = self.reference.rows();
        for (row, expected) in rows.iter_mut().zip(&mut expected) {
            if row.state != DeliveryState::Pending {
                // Meaningless then.
                (row.due_at, expected.due_at) = (TimestampMs(0), TimestampMs(0));
            }
        }
        assert_eq!(rows, expected);
        let Depth { pending, dead } = self.store.depth().await.unwrap();
        assert_eq!((pending, dead), self.reference.depth());
        assert_eq!(self.store.backlog().await.unwrap(), self.reference.backlog());
        for row in &rows {
            let attempts = self.store.attempts(row.id).await.unwrap();
            assert_eq!(attempts, self.reference.attempts(row.id));
        }
        self.reference.assert_nobody_waits_for_ever();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_operations_and_crashes_leave_what_the_reference_says(
        operations in prop::collection::vec(operation(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new();
            for operation in &operations {
                pair.run(operation).await;
            }
        });
    }
}
