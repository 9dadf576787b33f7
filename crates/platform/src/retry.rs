//! The ladder: when a failed delivery goes again, and when it is dead.
//!
//! See <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>.

use std::time::Duration;

use larkspur_wire::TimestampMs;

use crate::settings::RetryFrom;

/// When to push again after `attempts` failed ones, or `None` when the delivery is dead.
///
/// `first` is when the first attempt began, `ended` when the last one ended. A time that has passed already, as it can
/// when the delays count from the first attempt, means at once.
pub fn next_try(
    retry_seconds: &[u64],
    from: RetryFrom,
    attempts: u32,
    first: TimestampMs,
    ended: TimestampMs,
) -> Option<TimestampMs> {
    let rung = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let delay = Duration::from_secs(*retry_seconds.get(rung)?);
    Some(match from {
        RetryFrom::Previous => ended.saturating_add(delay),
        RetryFrom::First => first.saturating_add(delay).max(ended),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DeliverySettings;

    fn ladder(from: RetryFrom) -> Vec<Option<i64>> {
        let settings = DeliverySettings::default();
        let (first, ended) = (TimestampMs(0), TimestampMs(20_000));
        (1..=5)
            .map(|attempts| next_try(&settings.retry_seconds, from, attempts, first, ended).map(|at| at.0))
            .collect()
    }

    #[test]
    fn four_retries_after_15_s_5_min_1_h_and_6_h_and_then_it_is_dead() {
        let expected = [Some(35_000), Some(320_000), Some(3_620_000), Some(21_620_000), None];
        assert_eq!(ladder(RetryFrom::Previous), expected);
    }

    #[test]
    fn delays_can_count_from_the_first_attempt_and_never_lie_in_the_past() {
        let expected = [Some(20_000), Some(300_000), Some(3_600_000), Some(21_600_000), None];
        assert_eq!(ladder(RetryFrom::First), expected);
    }
}
