//! Lists in pages: how many, and after which.

use larkspur_store::TimeRange;
use larkspur_wire::TimestampMs;

use crate::problem::Problem;

/// A page is this long unless the request says otherwise.
const LIMIT_DEFAULT: u32 = 50;
/// No page is longer, so that no answer grows without bound.
const LIMIT_MAX: u32 = 1_000;

/// The `limit` of a query, within its bounds.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(Problem::bad_query(
            "limit",
            &format!("`limit` is {limit}, and must be 1 to {LIMIT_MAX}"),
        )),
    }
}

/// A parameter that must be an id.
pub(super) fn id<T: std::str::FromStr<Err: std::fmt::Display>>(
    parameter: &str,
    text: Option<&str>,
) -> Result<Option<T>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|error| Problem::bad_query(parameter, &format!("`{parameter}`: {error}")))
    })
    .transpose()
}

/// The `from` and `to` of a query.
pub(super) fn accepted(from: Option<i64>, to: Option<i64>) -> TimeRange {
    TimeRange {
        from: from.map(TimestampMs),
        to: to.map(TimestampMs),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_page_has_1_to_1000_items() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(1_000)).unwrap(), 1_000);
        for wrong in [0, 1_001] {
            assert_eq!(
                limit(Some(wrong)).unwrap_err().status(),
                StatusCode::BAD_REQUEST,
                "{wrong}"
            );
        }
    }
}
