//! `larkspur clock`: moves the clock of a platform that allows it, so that a retry is seen now and not in six hours.

use std::time::Duration;

use clap::Args;
use http::Method;
use larkspur::TimestampMs;
use serde_json::json;

use crate::admin::{Platform, To};
use crate::duration;
use crate::failure::Failure;
use crate::ui::{Ui, time_of_day};

const AFTER_HELP: &str = "\
Examples:
  larkspur clock          what time it is there
  larkspur clock +15s     whatever is due within 15 seconds is due now
  larkspur clock +6h";

/// Show the clock of `larkspur dev`, or move it forward: what is due by then is due now.
///
/// It stays ahead until `dev` ends; the next one begins with the time of the machine again.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Clock {
    /// How far to move it forward: `+15s`, `+5m`, `+6h`.
    #[arg(value_name = "+DURATION", value_parser = forward)]
    by: Option<Duration>,
    #[command(flatten)]
    platform: Platform,
}

fn forward(text: &str) -> Result<Duration, String> {
    duration::parse(text.strip_prefix('+').unwrap_or(text))
}

impl Clock {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let admin = self.platform.connect()?;
        let clock = match self.by {
            None => admin.get(To(&["clock"], &[])).await?,
            Some(by) => {
                // The API counts in seconds; less than one would not move anything.
                let seconds = by.as_secs() + u64::from(by.subsec_nanos() > 0);
                let body = json!({ "seconds": seconds });
                admin.send(Method::POST, To(&["clock", "advance"], &[]), &body).await?
            }
        };
        ui.result(&clock, || {
            let now = TimestampMs(clock["now"].as_i64().unwrap_or_default());
            format!("it is {} at the platform", time_of_day(now))
        });
        Ok(())
    }
}
