//! Points in time on the command line: `2h` is that long ago, `2026-11-21 08:00` is where the user is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use larkspur::TimestampMs;

use crate::admin::Admin;
use crate::duration;
use crate::failure::Failure;

/// A point in time as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// This long ago, by the platform's clock.
    Ago(Duration),
    /// A time of the calendar.
    At(TimestampMs),
}

/// Fewer digits are a number of seconds.
const MS_DIGITS_MIN: usize = 12;

/// Reads a point in time.
pub(crate) fn parse(text: &str) -> Result<Moment, String> {
    if text == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && text.len() >= MS_DIGITS_MIN {
        let ms = text.parse().map_err(|_| "it is too large".to_owned())?;
        return Ok(Moment::At(TimestampMs(ms)));
    }
    if let Ok(ago) = duration::parse(text) {
        return Ok(Moment::Ago(ago));
    }
    let with_zone = text.parse::<Timestamp>().ok();
    let here = || {
        let civil = text.parse::<DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::system()).ok()?.timestamp())
    };
    let at = with_zone
        .or_else(here)
        .map(|at| Moment::At(TimestampMs(at.as_millisecond())));
    at.ok_or_else(|| "write how long ago, such as 2h or 30m, or a time such as 2026-11-21T08:00 or …T08:00Z".to_owned())
}

impl Moment {
    /// The time, by the platform's clock.
    pub(crate) async fn resolve(self, admin: &Admin) -> Result<TimestampMs, Failure> {
        match self {
            Self::At(at) => Ok(at),
            Self::Ago(ago) => Ok(admin.now().await?.saturating_sub(ago)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_while_ago_or_a_time() {
        assert_eq!(parse("2h"), Ok(Moment::Ago(Duration::from_hours(2))));
        assert_eq!(parse("90"), Ok(Moment::Ago(Duration::from_secs(90))));
        assert_eq!(parse("now"), Ok(Moment::Ago(Duration::ZERO)));
        let at = Moment::At(TimestampMs(1_608_725_989_000));
        assert_eq!(parse("1608725989000"), Ok(at));
        assert_eq!(parse("2020-12-23T12:19:49Z"), Ok(at));
        assert_eq!(parse("2020-12-23T20:19:49+08:00"), Ok(at));
    }

    #[test]
    fn a_time_without_a_zone_is_where_the_user_is() {
        let Ok(Moment::At(at)) = parse("2026-11-21 08:00") else {
            panic!("it is a time");
        };
        let zoned = Timestamp::from_millisecond(at.0).unwrap().to_zoned(TimeZone::system());
        assert_eq!(zoned.strftime("%Y-%m-%d %H:%M").to_string(), "2026-11-21 08:00");
        assert!(parse("2026-11-21").is_ok());
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for wrong in ["", "yesterday", "-2h", "2026-13-01", "99999999999999999999"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
