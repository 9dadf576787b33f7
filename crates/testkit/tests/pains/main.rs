//! The pain regression suite: for each pain that users of Feishu's SDKs report, a test that fails where the pain is.
//!
//! The names of the tests are those of docs/pains.md, which gives the evidence and what each official SDK does.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

mod callbacks;
mod connection;
mod drift;
mod fixtures;
mod forgery;
mod handlers;
mod life;
mod platform;
mod pool;
mod proxies;
mod reach;
mod repeats;

use fixtures::{EXAM, FIRST_RUNG, Gate, Journal, patient, until};
