//! What is logged, and how: to stderr, in colour only on a terminal.

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
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
        (Some(level), _) => whole(level, quiet),
        (None, 0) => quiet.to_owned(),
        (None, 1) => "info".to_owned(),
        (None, _) => "debug".to_owned(),
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

/// A filter for parts only says more of these, and hides nothing of the others.
fn whole(filter: &str, quiet: &str) -> String {
    let is_for_all = |directive: &str| directive.trim().parse::<LevelFilter>().is_ok();
    if filter.split(',').any(is_for_all) {
        filter.to_owned()
    } else {
        format!("{quiet},{filter}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_more_of_one_part_hides_no_other() {
        assert_eq!(whole("larkspur_engine=debug", "error"), "error,larkspur_engine=debug");
        assert_eq!(
            whole("warn, larkspur_engine=debug", "error"),
            "warn, larkspur_engine=debug"
        );
        assert_eq!(whole("debug", "error,larkspur::ws=warn"), "debug");
    }
}
