//! The platform's refusals, RFC 9457 problems, as failures of a command.

use http::StatusCode;
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// A problem as a failure, with what to do in the words of the command line.
pub(super) fn failure(status: StatusCode, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str();
    let mut detail = text("detail").map_or_else(|| format!("the platform answered status {status}"), str::to_owned);
    for error in problem["errors"].as_array().into_iter().flatten() {
        let word = |name: &str| error[name].as_str().unwrap_or_default();
        let (path, expected, found) = (word("path"), word("expected"), word("found"));
        detail.push_str(&format!("\n  {path}: expected {expected}, found {found}"));
    }
    if let Some(code) = problem["feishu_code"].as_u64() {
        detail.push_str(&format!("\n  Feishu's clients show error {code}"));
    }
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
        _ => Exit::Failed,
    };
    let failure = Failure::msg(exit, detail);
    match (text("code"), text("hint")) {
        (Some("unknown_app" | "app_not_found"), _) => failure.with_hint("see `larkspur app list`"),
        (Some("is_callback"), _) => failure.with_hint("subscribe to it with --callback"),
        (Some("ambiguous_app"), _) => failure.with_hint("name the app with --app"),
        (Some("not_addressed"), Some(hint)) => {
            failure.with_hint(hint.replace("add `app_id`", "name the app with --app"))
        }
        (Some("no_tenant"), _) => failure.with_hint("name the tenant with --tenant"),
        (_, Some(hint)) if exit != Exit::NotAllowed => failure.with_hint(hint),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_misfit_is_named() {
        let problem = json!({
            "detail": "the payload does not fit", "code": "payload_mismatch", "hint": "read the page",
            "errors": [{ "path": "event.exam_id", "expected": "string", "found": "number" }],
        });
        let failure = failure(StatusCode::UNPROCESSABLE_ENTITY, &problem);
        assert_eq!(failure.exit, Exit::Failed);
        assert!(
            failure
                .error
                .to_string()
                .ends_with("event.exam_id: expected string, found number")
        );
        assert_eq!(failure.hint(), "read the page");
    }

    #[test]
    fn hints_speak_of_arguments_not_of_members() {
        let problem = json!({ "code": "not_addressed", "hint": "add `app_id`, or bind account/7 to an app" });
        let failure = failure(StatusCode::UNPROCESSABLE_ENTITY, &problem);
        assert_eq!(failure.hint(), "name the app with --app, or bind account/7 to an app");
    }

    #[test]
    fn what_users_of_feishu_would_see_is_told() {
        let problem = json!({ "detail": "no answer within 3000 ms", "code": "app_timed_out", "feishu_code": 200_341 });
        let failure = failure(StatusCode::GATEWAY_TIMEOUT, &problem);
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.error.to_string().ends_with("error 200341"), "{}", failure.error);
    }

    #[test]
    fn a_refused_token_is_an_exit_code_of_its_own() {
        for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
            let failure = failure(status, &Value::Null);
            assert_eq!(failure.exit, Exit::NotAllowed);
            assert!(failure.hint().contains("--token"));
        }
    }
}
