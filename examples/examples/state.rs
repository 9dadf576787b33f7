//! Hands something of the program's own to its handlers: here a counter, usually a pool of connections to a database.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example state`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larkspur::events::hire::{EcoBackgroundCheckCreatedV1, EcoExamCreatedV1};
use larkspur::{App, Event, Router, State, ctrl_c};

#[derive(Clone, Default)]
struct Office {
    orders: Arc<AtomicU64>,
}

impl Office {
    fn count(&self, what: &str) {
        let number = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        println!("order {number}: {what}");
    }
}

async fn on_check(_: Event<EcoBackgroundCheckCreatedV1>, State(office): State<Office>) {
    office.count("a background check");
}

async fn on_exam(_: Event<EcoExamCreatedV1>, State(office): State<Office>) {
    office.count("an exam");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new().on(on_check).on(on_exam).with_state(Office::default());
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
