//! Receive Feishu and Lark events in Rust, over a persistent connection or by webhook.
//!
//! # The first event
//!
//! Handlers are plain async functions. The event type follows from the first argument, and the rest of the arguments
//! are extractors. This program needs the feature `hire`; each domain of event types is one.
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
//! [`App::from_env`] reads `FEISHU_APP_ID` and `FEISHU_APP_SECRET`. With `FEISHU_BASE_URL=http://127.0.0.1:7070` the
//! same program receives from `larkspur dev`, a platform on your machine: `larkspur trigger hire.eco_exam.created_v1`
//! makes the event happen.
//!
//! # What a handler can ask for, and answer
//!
//! [`Event<T>`] is the payload as a struct, [`RawEvent`] as JSON, [`Meta`] who sent it, when, and how it arrived,
//! [`State<S>`] what the program gave the router, [`Delivery`] everything. No field of a struct is sure to be there, and
//! what a struct does not know stays in its `extra`: the documentation and the wire do not always agree.
//!
//! A handler returns nothing, or a `Result` with any error. The platform waits three seconds for its answer. When it
//! hears nothing, and when a handler fails or panics, it pushes the event again, after 15 s, 5 min, 1 h and 6 h.
//!
//! ```
//! use larkspur::{BoxError, Meta, RawEvent, Router, State};
//!
//! #[derive(Clone)]
//! struct Orders;
//!
//! impl Orders {
//!     async fn save(&self, id: &str) -> Result<(), std::io::Error> {
//! #       let _ = id;
//!         Ok(())
//!     }
//! }
//!
//! async fn on_exam(RawEvent(exam): RawEvent, meta: Meta, State(orders): State<Orders>) -> Result<(), BoxError> {
//!     let id = exam["exam_id"].as_str().ok_or("an exam without an id")?;
//!     orders.save(id).await?;
//!     println!("{id}, which was ordered {:?} ago", meta.age());
//!     Ok(())
//! }
//!
//! let router = Router::new().on_raw("hire.eco_exam.created_v1", on_exam).with_state(Orders);
//! # let _: Router = router;
//! ```
//!
//! # Once, and not too late
//!
//! The platform promises that an event arrives at least once. The SDK remembers by app and event id for eight hours what
//! was handled, and acknowledges repeats without calling you: see [`Dedup`], also for other keys, a file or a store that
//! processes share. [`Router::stale`] and [`Router::drop_stale`] treat events apart that were hours on their way.
//!
//! # Questions
//!
//! Callbacks, such as a tap on a card's button, want an answer, and its type is checked when you compile:
//!
//! ```
//! # #[cfg(feature = "card")]
//! # mod example {
//! use larkspur::events::card::ActionTrigger;
//! use larkspur::{CardReply, Event, Router};
//!
//! async fn on_tap(Event(tap): Event<ActionTrigger>) -> CardReply {
//!     match tap.action.and_then(|action| action.name).as_deref() {
//!         Some("approve") => CardReply::success("approved"),
//!         _ => CardReply::nothing(),
//!     }
//! }
//!
//! fn router() -> Router {
//!     Router::new().on(on_tap)
//! }
//! # }
//! ```
//!
//! # By webhook
//!
//! The same router receives by HTTP. [`Webhook`] is a tower service, which axum takes as it is, and a function for every
//! other framework. It checks the signature over the bytes as they came, and the Verification Token of every event; an
//! app that has neither is refused, since anybody could post to it.
//!
//! ```no_run
//! # #[cfg(feature = "webhook")]
//! # async fn example(router: larkspur::Router) -> Result<(), Box<dyn std::error::Error>> {
//! use larkspur::App;
//!
//! let hook = App::from_env()?.webhook(router)?;
//! let web = axum::Router::new().route_service("/webhook/event", hook);
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, web).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # In production
//!
//! - Each handler runs in a task of its own: a slow one, one that panics and a lost connection are felt by no other.
//!   [`Router::time_limit`] and [`Router::concurrency`] bound them.
//! - A lost connection is opened again, by one loop, with pauses that grow. `Connect::status` tells a probe whether the
//!   client is ready, and what is wrong when it is not. Trouble is retried, backed off from or fatal, and says what to do.
//! - `Connect::with_graceful_shutdown` lets handlers end and acknowledges what they did; its report names what was left.
//! - Work that takes longer than three seconds goes through an inbox on disk: `Router::ack_on_receipt`.
//! - A program with a loop of its own pulls: `App::deliveries`.
//! - [`Router::layer`] takes any tower layer; spans and log lines go to `tracing`, without secrets and payloads.
//! - [`Tally`] counts what became of events, and with the feature `metrics` tells the facade of that name.
//! - `larkspur-testkit` is a platform inside your tests, with a clock that you move and faults that you order.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `ws`, on by default | the persistent connection |
//! | `webhook`, on by default | the webhook |
//! | `hire`, `im`, … | the structs of one domain; `all-events` all 252 of them |
//! | `sqlite` | repeats remembered in a file |
//! | `inbox` | events stored, acknowledged, then handled, with retries |
//! | `tokens` | access tokens of store apps, by tenant |
//! | `metrics` | counts for the `metrics` facade |
//!
//! The repository has a runnable example of each, a reference of all errors with their fixes, and a page for those who
//! come from the official SDKs.

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
