//! Receive Feishu and Lark events in Rust, over a persistent connection or by webhook.
//!
//! Handlers are plain async functions. The event type follows from the argument, and the rest of the arguments are
//! extractors:
//!
//! ```no_run
//! # #[cfg(all(feature = "ws", feature = "hire"))]
//! # mod example {
//! use larkspur::events::hire::EcoExamCreatedV1;
//! use larkspur::{App, Event, Meta, Router, ctrl_c};
//!
//! async fn on_exam(Event(exam): Event<EcoExamCreatedV1>, meta: Meta) {
//!     println!("{} {:?}", meta.event_id, exam.exam_id);
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let router = Router::new().on(on_exam);
//!     let report = App::from_env()?.connect(router).with_graceful_shutdown(ctrl_c()).await?;
//!     println!("{report}");
//!     Ok(())
//! }
//! # }
//! ```
//!
//! The platform pushes an event again when it hears nothing for three seconds (after 15 s, 5 min, 1 h and 6 h), or when
//! the handler fails. Repeats of what was handled are dropped for eight hours, see [`Dedup`].

mod app;
mod clock;
mod dedup;
mod delivery;
mod dispatch;
mod extract;
#[cfg(feature = "sqlite")]
mod file;
mod handler;
#[cfg(feature = "inbox")]
mod inbox;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "ws")]
mod pull;
mod reply;
mod router;
mod service;
mod tally;
#[cfg(feature = "tokens")]
mod tokens;
#[cfg(feature = "webhook")]
mod webhook;
#[cfg(feature = "ws")]
mod ws;

pub use larkspur_events as events;

pub use app::{App, AppError, Domain};
pub use dedup::{BoxFuture, Dedup, DedupStore, Deduplicated, Seen};
pub use delivery::{Delivery, Meta, Transport};
pub use extract::{Event, Extract, ExtractError, RawEvent, State};
#[cfg(feature = "sqlite")]
pub use file::FileError;
pub use handler::{Handler, RawHandler};
#[cfg(feature = "inbox")]
pub use inbox::{Counts, Dead, Inbox};
pub use larkspur_events::EventType;
pub use larkspur_wire::{Secret, TimestampMs, WrongRecipe};
#[cfg(feature = "net")]
pub use net::{Proxy, ProxyError};
#[cfg(feature = "ws")]
pub use pull::{Deliveries, Pulled, TooLate};
#[cfg(feature = "card")]
pub use reply::CardReply;
#[cfg(feature = "url")]
pub use reply::UrlPreviewReply;
pub use reply::{Answer, BoxError, IntoReply, Json};
pub use router::{Router, RouterError};
pub use service::Handlers;
pub use tally::Tally;
#[cfg(feature = "tokens")]
pub use tokens::{StoreTokens, TokenError};
#[cfg(feature = "webhook")]
pub use webhook::{Refused, ReplayGuard, Webhook, WebhookError};
#[cfg(feature = "ws")]
pub use ws::{Connect, ConnectError, ConnectionState, Report, Severity, Status, Trouble, ctrl_c};
