//! What an ack means: whether the app has the event.

use bytes::Bytes;
use larkspur_platform::{AckNotOk, AckWithoutBizRt, Assumptions};
use larkspur_wire::ack;
use larkspur_wire::frame::Frame;

use crate::call::CallFailure;

/// A client's answer to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// `None` when the answer cannot be read.
    pub(super) code: Option<i64>,
    /// Whether the client said how long its handler ran.
    pub(super) has_biz_rt: bool,
    /// The answer as it came.
    pub(super) payload: Bytes,
}

impl Ack {
    pub(super) fn of(frame: Frame) -> Self {
        let has_biz_rt = frame.biz_rt_ms().is_some();
        let payload = frame.payload.unwrap_or_default();
        Self {
            code: ack::Ack::parse(&payload).ok().map(|ack| ack.code),
            has_biz_rt,
            payload,
        }
    }
}

/// Whether the app took the event, and if not, why.
pub(super) fn judge(ack: &Ack, assumptions: &Assumptions) -> Result<(), String> {
    match ack.code {
        None => Err("the ack is not JSON with a `code`".to_owned()),
        Some(ack::CODE_OK) => match assumptions.ack_without_biz_rt {
            AckWithoutBizRt::Retry if !ack.has_biz_rt => Err("the ack has no `biz_rt`".to_owned()),
            AckWithoutBizRt::Retry | AckWithoutBizRt::Accept => Ok(()),
        },
        Some(code) => match assumptions.ack_not_ok {
            AckNotOk::Retry => Err(format!("the app answered code {code}")),
            AckNotOk::Accept => Ok(()),
        },
    }
}

/// The answer to a callback, JSON; empty when the app answered nothing.
pub(super) fn answer(ack: &Ack) -> Result<Bytes, CallFailure> {
    match ack.code {
        None => Err(CallFailure::NotAnAnswer {
            detail: "the ack is not JSON with a `code`".to_owned(),
        }),
        Some(ack::CODE_OK) => match ack::Ack::parse_answer(&ack.payload) {
            Ok(answer) => Ok(answer.unwrap_or_default().into()),
            Err(error) => Err(CallFailure::NotAnAnswer {
                detail: error.to_string(),
            }),
        },
        Some(code) => Err(CallFailure::Code { code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(code: Option<i64>, has_biz_rt: bool, assumptions: &Assumptions) -> bool {
        judge(
            &Ack {
                code,
                has_biz_rt,
                payload: Bytes::new(),
            },
            assumptions,
        )
        .is_ok()
    }

    #[test]
    fn only_code_200_takes_the_event_and_biz_rt_does_not_matter() {
        let default = Assumptions::default();
        assert!(judged(Some(200), true, &default));
        assert!(judged(Some(200), false, &default));
        for code in [Some(500), Some(0), Some(201), None] {
            assert!(!judged(code, true, &default), "{code:?}");
        }
    }

    #[test]
    fn every_code_can_be_made_to_take_the_event() {
        let accept = Assumptions {
            ack_not_ok: AckNotOk::Accept,
            ..Assumptions::default()
        };
        assert!(judged(Some(500), false, &accept));
        assert!(!judged(None, true, &accept), "what cannot be read is no ack");
    }

    #[test]
    fn biz_rt_can_be_made_to_matter() {
        let strict = Assumptions {
            ack_without_biz_rt: AckWithoutBizRt::Retry,
            ..Assumptions::default()
        };
        assert!(judged(Some(200), true, &strict));
        assert!(!judged(Some(200), false, &strict));
    }
}
