//! The Feishu/Lark event protocol, both ends of it: bytes and values, no I/O, no clock, no randomness.
//!
//! A sender writes an [`envelope`], seals and signs it for a webhook ([`seal`], [`sign`]) or puts it into [`frame`]s
//! for a persistent connection. A receiver does the same backwards: [`envelope::Incoming`], [`open`], [`verify`],
//! [`Reassembly`], [`ack`]. Time and random bytes are arguments, so that every byte can be tested.
//!
//! The protocol is described at <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>.

pub mod ack;
mod cipher;
pub mod code;
mod detail;
pub mod endpoint;
pub mod envelope;
pub mod frame;
mod hash;
pub mod header;
mod id;
pub mod open_api;
mod reassembly;
mod secret;
mod signature;
mod time;

pub use cipher::{OpenError, Opener, open, seal, seal_body};
pub use frame::FRAGMENT_BYTES_MAX;
pub use hash::sha256;
pub use id::{AppId, EventId, EventType, IdError, MessageId, Scope, TenantKey, hex};
pub use reassembly::{Limits as ReassemblyLimits, Reassembly, ReassemblyError};
pub use secret::Secret;
pub use signature::{Signed, WrongRecipe, sign, sign_card_v1, verify};
pub use time::{TimeError, TimestampMs};
