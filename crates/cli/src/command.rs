//! One module for each command.

pub(crate) mod again;
pub(crate) mod app;
mod attempt;
pub(crate) mod clock;
pub(crate) mod dev;
pub(crate) mod event;
pub(crate) mod listen;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod tail;
pub(crate) mod trigger;
