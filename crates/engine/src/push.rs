//! What one push came to, by whichever mode it went.

use std::time::Duration;

use bytes::Bytes;
use larkspur_platform::Ending;
use larkspur_store::Mode;

/// The result of handing one envelope to one app, once.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    /// How it was pushed.
    pub(crate) mode: Mode,
    /// Where it went: the endpoint's host and path, or the session's id; empty when there was nowhere to go.
    pub(crate) target: String,
    /// HTTP status or ack code, when one came.
    pub(crate) code: Option<i32>,
    /// From the first step to the result.
    pub(crate) took: Duration,
    /// What the app answered, up to the bound of its mode.
    pub(crate) answer: Bytes,
    /// Whether the app took it, and if not, why.
    pub(crate) outcome: Result<(), String>,
}

/// What an endpoint, or a gateway before it, answers when it is not up to more: too many requests, bad gateway, service
/// unavailable, gateway timeout.
const STRAINED: [i32; 4] = [429, 502, 503, 504];

impl Pushed {
    /// What the push says about how many more the app can take.
    ///
    /// Another error is an answer like any other: an app that fails one type of event at once is not to wait for the
    /// others. Where there was nowhere to push to, nothing was held up either.
    pub(crate) fn ending(&self) -> Ending {
        match (&self.outcome, self.code, self.mode) {
            (Ok(()), ..) => Ending::Taken,
            (Err(_), Some(status), Mode::Webhook) if STRAINED.contains(&status) => Ending::Strained,
            (Err(_), Some(_), _) => Ending::Refused,
            (Err(_), None, _) if self.target.is_empty() => Ending::Refused,
            (Err(_), None, _) => Ending::Strained,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_strained_when_it_does_not_answer_or_says_so() {
        let ending = |mode, code, target: &str| {
            let pushed = Pushed {
                mode,
                target: target.to_owned(),
                code,
                took: Duration::ZERO,
                answer: Bytes::new(),
                outcome: if code == Some(200) {
                    Ok(())
                } else {
                    Err("no".to_owned())
                },
            };
            pushed.ending()
        };
        let webhook = |code| ending(Mode::Webhook, code, "there");
        assert_eq!(webhook(Some(200)), Ending::Taken);
        assert_eq!([Some(429), Some(503), None].map(webhook), [Ending::Strained; 3]);
        assert_eq!([Some(400), Some(404), Some(500)].map(webhook), [Ending::Refused; 3]);
        assert_eq!(ending(Mode::Websocket, None, "session"), Ending::Strained);
        assert_eq!(ending(Mode::Websocket, Some(500), "session"), Ending::Refused);
        assert_eq!(
            ending(Mode::Websocket, None, ""),
            Ending::Refused,
            "nobody is connected"
        );
    }
}
