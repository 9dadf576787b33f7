//! Telling the ways apart in which a receiver fails the challenge, by status and by the words of the official SDKs.

use std::time::Duration;

use larkspur_wire::envelope::ChallengeReply;

use super::ChallengeError;
use crate::webhook::exchange::Answer;

/// Makes an error from the first bytes of the answer.
type Refused = fn(String) -> ChallengeError;

/// Words by which the official SDKs' refusals are known, in lower case; the first match wins.
const REFUSALS: [(&str, Refused); 11] = [
    ("invalid verification_token", |answer| ChallengeError::Token { answer }),
    ("auth by challenge failed", |answer| ChallengeError::Token { answer }),
    ("encrypt_key not found", |answer| ChallengeError::ReceiverWithoutKey {
        answer,
    }),
    ("need to set up the `encryptkey`", |answer| {
        ChallengeError::ReceiverWithoutKey { answer }
    }),
    ("need config encryptkey", |answer| ChallengeError::ReceiverWithoutKey {
        answer,
    }),
    ("encrypted message is blank", |answer| ChallengeError::AppWithoutKey {
        answer,
    }),
    ("event decryption failed", |answer| ChallengeError::AppWithoutKey {
        answer,
    }),
    ("invalid pkcs7 padding", |answer| ChallengeError::WrongKey { answer }),
    ("json unmarshal, err", |answer| ChallengeError::WrongKey { answer }),
    ("expected begin_object", |answer| ChallengeError::WrongKey { answer }),
    ("event handle", |answer| ChallengeError::NoAutoChallenge { answer }),
];

/// As much of an answer as an error shows.
const EXCERPT_CHARS_MAX: usize = 200;

/// Judges an answer to the challenge.
pub(in crate::webhook) fn judge(challenge: &str, answer: &Answer, timeout: Duration) -> Result<(), ChallengeError> {
    let status = answer.status;
    if (300..400).contains(&status) {
        let location = excerpt(answer.location.as_deref().unwrap_or_default().as_bytes());
        return Err(ChallengeError::Redirect { status, location });
    }
    // Receivers label their JSON as text, so the content type says nothing.
    let reply = ChallengeReply::parse(&answer.body);
    match reply {
        Ok(reply) if status == 200 && reply.challenge == challenge => Ok(()),
        Ok(reply) if status == 200 => Err(ChallengeError::OtherChallenge {
            found: excerpt(reply.challenge.as_bytes()),
        }),
        _ if answer.cut_off => Err(ChallengeError::TimedOut { after: timeout }),
        _ if matches!(status, 404 | 405) => Err(ChallengeError::NoHandler { status }),
        _ => Err(refused(status, &answer.body)),
    }
}

fn refused(status: u16, body: &[u8]) -> ChallengeError {
    let answer = excerpt(body);
    let lower = answer.to_lowercase();
    if let Some((_, error)) = REFUSALS.iter().find(|(words, _)| lower.contains(words)) {
        return error(answer);
    }
    match status {
        200 if body.is_empty() => ChallengeError::Empty,
        200 => ChallengeError::NoChallenge { answer },
        _ => ChallengeError::Status { status, answer },
    }
}

/// The beginning of an answer on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars()
        .take(EXCERPT_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<(), ChallengeError> {
        let answer = Answer {
            status,
            location: None,
            body: body.to_owned().into(),
            cut_off: false,
            goes_on: false,
        };
        judge("c0ffee", &answer, Duration::from_secs(1))
    }

    #[test]
    fn the_challenge_returned_passes_whatever_else_is_in_the_json() {
        assert_eq!(judged(200, r#"{"challenge":"c0ffee"}"#), Ok(()));
        assert_eq!(judged(200, r#" {"x": 1, "challenge": "c0ffee"} "#), Ok(()));
    }

    #[test]
    fn each_way_in_which_an_official_sdk_fails_is_named() {
        let name = |status, body| {
            format!("{:?}", judged(status, body).unwrap_err())
                .split(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        for (expected, status, body) in [
            ("NoAutoChallenge", 200, r#""no undefined event handle""#),
            ("Token", 500, r#"{"msg":"invalid verification_token"}"#),
            ("Token", 500, r#"{"msg":"the result of auth by challenge failed"}"#),
            ("Token", 500, r#"{"msg":"The result of auth by challenge failed"}"#),
            ("ReceiverWithoutKey", 500, r#"{"msg":"encrypt_key not found"}"#),
            (
                "ReceiverWithoutKey",
                500,
                r#"{"msg":"event data is encrypted, Need to set up the `EncryptKey` for your APP"}"#,
            ),
            (
                "ReceiverWithoutKey",
                500,
                r#"{"msg":"process encrypted msg event, need config encryptKey"}"#,
            ),
            (
                "AppWithoutKey",
                500,
                r#"{"msg":"event  unmarshal failed,encrypted message is blank"}"#,
            ),
            (
                "AppWithoutKey",
                500,
                r#"{"msg":"The result of event decryption failed"}"#,
            ),
            ("WrongKey", 500, r#"{"msg":"invalid PKCS7 padding"}"#),
            (
                "WrongKey",
                500,
                r#"{"msg":"event json unmarshal, err: invalid character 'd' looking for b"}"#,
            ),
            (
                "WrongKey",
                500,
                r#"{"msg":"java.lang.IllegalStateException: Expected BEGIN_OBJECT but was STRING"}"#,
            ),
            ("Empty", 200, ""),
            ("NoHandler", 404, "<!doctype html>"),
            ("NoHandler", 405, "<!doctype html>"),
            ("NoChallenge", 200, "It works!"),
            ("NoChallenge", 200, r#"{"msg":"success"}"#),
            ("OtherChallenge", 200, r#"{"challenge":"tea"}"#),
            ("Status", 201, r#"{"challenge":"c0ffee"}"#),
            ("Status", 503, "busy"),
        ] {
            assert_eq!(name(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_came_too_late() {
        let answer = Answer {
            status: 200,
            location: None,
            body: r#"{"chal"#.into(),
            cut_off: true,
            goes_on: false,
        };
        let after = Duration::from_secs(1);
        assert_eq!(judge("c0ffee", &answer, after), Err(ChallengeError::TimedOut { after }));
    }

    #[test]
    fn a_long_page_is_shown_by_its_beginning_on_one_line() {
        let error = judged(200, &format!("a page\n{}", "x".repeat(10_000))).unwrap_err();
        let ChallengeError::NoChallenge { answer } = error else {
            panic!("{error:?}")
        };
        assert!(
            answer.starts_with("a page x") && answer.len() == EXCERPT_CHARS_MAX,
            "{answer}"
        );
    }
}
