//! Durations on the command line: `30` is seconds, `1m30s`, `6h` and `7d` read as they look.

use std::time::Duration;

use jiff::SignedDuration;

/// Nothing here takes longer, and what is longer is a mistake in the unit.
const DURATION_MAX: Duration = Duration::from_hours(366 * 24);

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit());
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let duration = if seconds {
        text.parse().map(Duration::from_secs).map_err(|error| error.to_string())
    } else if let Some(days) = days {
        Ok(Duration::from_hours(24) * days)
    } else {
        let signed: Result<SignedDuration, _> = text.parse();
        let signed = signed.map_err(|_| "write seconds, or units such as 500ms, 15s, 1m30s, 6h, 7d".to_owned());
        signed.and_then(|signed| Duration::try_from(signed).map_err(|_| "it is negative".to_owned()))
    }?;
    if duration > DURATION_MAX {
        return Err("it is longer than a year".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_need_no_unit() {
        assert_eq!(parse("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("6h"), Ok(Duration::from_hours(6)));
        assert_eq!(parse("7d"), Ok(Duration::from_hours(7 * 24)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for wrong in ["", "soon", "-5s", "5 parsecs", "99999999999999999999", "9000h", "367d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
