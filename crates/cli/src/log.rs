//! What is logged, and how: to stderr, in colour only on a terminal.

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::{Exit, Failure};
use crate::ui;

/// The WebSocket library's trace lines print whole frames, and these hold Verification Tokens.
const NEVER: &str = "tungstenite=info,tokio_tungstenite=info";
/// The client's last words are what its error says, which is printed anyway.
const CLIENT: &str = "larkspur::ws";

/// Starts logging. Without a level, `quiet` is the filter, and each `-v` says more.
pub(crate) fn start(level: Option<&str>, verbose: u8, quiet: &str) -> Result<(), Failure> {
    let level = match (level, verbose) {
        (Some(level), _) => level,
        (None, 0) => quiet,
        (None, 1) => "info",
        (None, _) => "debug",
    };
    let filter = EnvFilter::try_new(format!("{level},{NEVER}")).map_err(|error| {
        Failure::new(Exit::Usage, error)
            .with_hint("--log-level takes error, warn, info, debug, trace, or a filter such as larkspur_engine=debug")
    })?;
    let once = filter_fn(|event| *event.level() != Level::ERROR || event.target() != CLIENT);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(ui::colours())
        .with_filter(once);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}
