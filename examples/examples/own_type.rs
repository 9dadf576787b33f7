//! Receives events that the catalogue has no struct for: as a struct of one's own, as JSON, and whatever else arrives.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… cargo run --example own_type`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use larkspur::events::Schema;
use larkspur::{App, Event, EventType, Meta, RawEvent, Router, ctrl_c};
use serde::{Deserialize, Serialize};

/// One field of many; members that are not named here are ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ExamOrdered {
    exam_id: String,
}

impl EventType for ExamOrdered {
    const KEY: &'static str = "hire.eco_exam.created_v1";
    const SCHEMA: Schema = Schema::V2;
    type Reply = ();
}

async fn on_exam(Event(exam): Event<ExamOrdered>) {
    println!("exam {} as a struct", exam.exam_id);
}

async fn on_check(RawEvent(check): RawEvent) {
    println!("check {} as JSON", check["background_check_id"]);
}

async fn on_any(event: RawEvent, meta: Meta) {
    println!("nobody else takes `{}`:\n{event}", meta.event_type);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let router = Router::new()
        .on(on_exam)
        .on_raw("hire.eco_background_check.created_v1", on_check)
        .fallback(on_any);
    let client = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c());
    println!("{}", client.await?);
    Ok(())
}
