//! One module for each command.

pub(crate) mod app;
pub(crate) mod clock;
pub(crate) mod dev;
pub(crate) mod event;
pub(crate) mod listen;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod trigger;
