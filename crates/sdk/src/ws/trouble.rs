//! What keeps a client from being connected: how bad it is, what it means, what to do about it.

use std::fmt;

use larkspur_wire::code;

use crate::app::Domain;
use crate::net::{NetError, Step};

/// What a client does about trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It tries again as the platform's configuration says; most trouble passes.
    Retry,
    /// It tries again, ever later: the platform has more to do than it can, or somebody has to change something first.
    BackOff,
    /// It gives up, since trying again cannot help.
    Fatal,
}

/// Why a connection could not be made, or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// What the client does about it.
    pub severity: Severity,
    /// The platform's code, when it gave one.
    pub code: Option<i64>,
    /// What happened, and what it means.
    pub reason: String,
    /// What to do about it when it does not pass.
    pub fix: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Trouble {
    /// A connection that stood and was lost.
    pub(super) fn lost(reason: impl Into<String>) -> Self {
        Self {
            severity: Severity::Retry,
            code: None,
            reason: reason.into(),
            fix: "nothing, unless it happens often: then look for a firewall or proxy that cuts idle connections"
                .into(),
        }
    }

    /// The way to the platform is barred.
    pub(super) fn net(error: NetError) -> Self {
        let (severity, fix) = match error.step {
            Step::Resolve | Step::Connect => (
                Severity::Retry,
                "check the network and the domain; if only a proxy leads out, set it with `App::proxy`",
            ),
            Step::Proxy => (
                Severity::BackOff,
                "check the proxy's address, user and password, and that it lets the host through",
            ),
            Step::Tls => (
                Severity::Retry,
                "check that the domain speaks TLS, and that nothing between changes it",
            ),
            Step::Certificate => (
                Severity::BackOff,
                "check this machine's clock and the domain; trust an authority of your own, or that of a proxy which \
                 opens TLS, with `App::root_certificates`",
            ),
            Step::Exchange => (
                Severity::Retry,
                "check that the domain is Feishu, Lark or a Larkspur platform",
            ),
        };
        Self {
            severity,
            code: None,
            reason: error.detail,
            fix: fix.into(),
        }
    }

    /// The look-up got an answer that is no such answer.
    pub(super) fn no_answer(reason: String) -> Self {
        Self {
            severity: Severity::BackOff,
            code: None,
            reason,
            fix: "check that the domain is Feishu, Lark or a Larkspur platform".into(),
        }
    }

    /// The handshake failed in a way that says nothing about the app.
    pub(super) fn handshake(reason: String) -> Self {
        Self {
            severity: Severity::BackOff,
            code: None,
            reason,
            fix: "wait; if it stays, check that proxies on the way let WebSocket upgrades through".into(),
        }
    }

    /// The platform refuses the app. `returning` clients have been connected before, with the same credentials.
    pub(super) fn refused(code: i64, msg: &str, domain: &Domain, returning: bool) -> Self {
        let severity = match code::class(code) {
            code::Class::Ok | code::Class::Retry => Severity::BackOff,
            // A connection of ours that died may be counted until the platform notices; and what nobody has documented
            // is no reason to end what has worked.
            code::Class::Fatal if returning && !is_about_credentials(code) => Severity::BackOff,
            code::Class::Fatal => Severity::Fatal,
        };
        let (meaning, fix) = code::explain(code).unwrap_or(("a code that nobody has documented", "ask the platform"));
        let mut fix = fix.to_owned();
        if is_about_credentials(code) {
            fix.push_str(&domain_hint(domain));
        }
        Self {
            severity,
            code: Some(code),
            reason: format!("the platform answered code {code} ({msg}): {meaning}"),
            fix,
        }
    }
}

fn is_about_credentials(code: i64) -> bool {
    matches!(
        code,
        code::FORBIDDEN
            | code::AUTH_FAILED
            | code::NO_CREDENTIAL
            | code::BAD_CREDENTIAL
            | code::INVALID_PARAM
            | code::WRONG_SECRET
            | code::APP_UNAUTHORISED
    )
}

/// An app of one platform is unknown to the other, which says only that the credentials are wrong.
fn domain_hint(domain: &Domain) -> String {
    match domain {
        Domain::Feishu => "; an app of Lark (open.larksuite.com) needs `Domain::Lark`".to_owned(),
        Domain::Lark => "; an app of Feishu (open.feishu.cn) needs `Domain::Feishu`".to_owned(),
        Domain::Custom(url) => {
            let host = url.host().unwrap_or_default();
            format!("; the domain is `{host}`, so the app must be one of that platform")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(code: i64, returning: bool) -> Severity {
        Trouble::refused(code, "", &Domain::Feishu, returning).severity
    }

    #[test]
    fn a_busy_platform_is_left_alone_and_wrong_credentials_are_fatal() {
        for busy in [code::SYSTEM_BUSY, code::INTERNAL_ERROR, code::BUSY] {
            assert_eq!(severity(busy, false), Severity::BackOff, "{busy}");
        }
        for wrong in [
            code::FORBIDDEN,
            code::AUTH_FAILED,
            code::BAD_CREDENTIAL,
            code::INVALID_PARAM,
        ] {
            assert_eq!(
                (severity(wrong, false), severity(wrong, true)),
                (Severity::Fatal, Severity::Fatal),
                "{wrong}"
            );
        }
    }

    #[test]
    fn too_many_connections_end_a_first_start_but_not_a_client_that_comes_back() {
        for code in [code::EXCEED_CONN_LIMIT, 123_456] {
            assert_eq!(severity(code, false), Severity::Fatal, "{code}");
            assert_eq!(severity(code, true), Severity::BackOff, "{code}");
        }
    }

    #[test]
    fn wrong_credentials_name_the_other_domain() {
        let fix = |domain| Trouble::refused(code::BAD_CREDENTIAL, "", &domain, false).fix;
        assert!(fix(Domain::Feishu).contains("Domain::Lark"));
        assert!(fix(Domain::Lark).contains("Domain::Feishu"));
        assert!(fix(Domain::parse("http://127.0.0.1:7070").unwrap()).contains("127.0.0.1"));
        let limit = Trouble::refused(code::EXCEED_CONN_LIMIT, "", &Domain::Feishu, false).fix;
        assert!(!limit.contains("Domain"), "{limit}");
    }
}
