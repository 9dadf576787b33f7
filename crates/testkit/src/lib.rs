//! A Larkspur platform in a test: in this process, on a free port, with a clock that the test moves and faults that the
//! test asks for.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! use std::time::Duration;
//!
//! use larkspur::{Meta, Router};
//! use larkspur_testkit::{DeliveryState, TestPlatform};
//!
//! let lab = TestPlatform::start().await;
//! let bot = lab.client(Router::new().fallback(async |_: Meta| {})).await;
//!
//! // The handler succeeds, and the platform never hears of it.
//! lab.chaos().drop_next_ack();
//! let event = lab.trigger("hire.eco_exam.created_v1").await;
//! assert!(lab.attempts(&event, 1).await[0].error.is_some());
//!
//! // So it pushes the event again 15 s later, which is now.
//! lab.advance(Duration::from_secs(15));
//! assert_eq!(lab.settled(&event).await, [DeliveryState::Delivered]);
//! bot.stop().await;
//! # }
//! ```
//!
//! Everything is real but the time: sockets on loopback, HTTP, WebSocket frames, a database file. [`Chaos`] stands
//! between the SDK and the platform, so neither has code for tests.

mod chaos;
mod client;
mod platform;
mod watch;

pub use chaos::{Chaos, Cut, Fault, Tally};
pub use client::Client;
pub use larkspur_store::DeliveryState;
pub use platform::{TENANT, TestPlatform};
