//! Points in time as the wire writes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimestampMs(pub i64);

/// Text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is digits, with a fraction at most, and this one has {chars} characters")]
pub struct TimeError {
    chars: usize,
}

impl TimestampMs {
    /// As event headers carry it: milliseconds, as text.
    pub fn to_wire_ms(self) -> String {
        self.0.to_string()
    }

    /// As the headers of callbacks carry it: microseconds, as text.
    pub fn to_wire_us(self) -> String {
        self.0.saturating_mul(1_000).to_string()
    }

    /// As schema 1.0 and signatures carry it: whole seconds, as text.
    pub fn to_wire_seconds(self) -> String {
        self.0.div_euclid(1_000).to_string()
    }

    /// As schema 1.0 envelopes carry it: seconds with a fraction, as text.
    pub fn to_wire_seconds_fraction(self) -> String {
        format!("{}.{:03}", self.0.div_euclid(1_000), self.0.rem_euclid(1_000))
    }

    /// Reads what the wire carries: seconds (up to 11 digits, with or without a fraction), milliseconds (12 to 14) or
    /// microseconds (15 to 17), told apart by the number of digits.
    ///
    /// ```
    /// use larkspur_wire::TimestampMs;
    /// for text in ["1608725989000", "1608725989000000", "1608725989", "1608725989.0000"] {
    ///     assert_eq!(TimestampMs::from_wire(text)?, TimestampMs(1_608_725_989_000));
    /// }
    /// # Ok::<(), larkspur_wire::TimeError>(())
    /// ```
    pub fn from_wire(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError {
            chars: text.chars().count(),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 18 {
            return Err(error());
        }
        let number: i64 = whole.parse().map_err(|_| error())?;
        match (whole.len(), fraction) {
            (..=11, _) => {
                let thousandths: i64 = format!("{fraction:0<3}")[..3].parse().map_err(|_| error())?;
                Ok(Self(number * 1_000 + thousandths))
            }
            (12..=14, "") => Ok(Self(number)),
            (15..=17, "") => Ok(Self(number / 1_000)),
            _ => Err(error()),
        }
    }

    /// This much later; the end of time at most.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This much earlier.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long ago `earlier` was; nothing when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_told_by_the_digits() {
        let read = |text| TimestampMs::from_wire(text).map(|time| time.0);
        assert_eq!(read("1502199207.7171419"), Ok(1_502_199_207_717));
        assert_eq!(read("1502199207.7"), Ok(1_502_199_207_700));
        assert_eq!(read("1603977298000"), Ok(1_603_977_298_000));
        assert_eq!(read("1603977298000999"), Ok(1_603_977_298_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "-1",
            "now",
            "1.2.3",
            "16039772980001.5",
            "1e9",
            "123456789012345678",
            ".5",
        ] {
            assert!(TimestampMs::from_wire(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn it_is_written_in_four_units() {
        let time = TimestampMs(1_608_725_989_012);
        assert_eq!(time.to_wire_ms(), "1608725989012");
        assert_eq!(time.to_wire_us(), "1608725989012000");
        assert_eq!(time.to_wire_seconds(), "1608725989");
        assert_eq!(time.to_wire_seconds_fraction(), "1608725989.012");
    }
}
