//! Keeps web pages out: which Host and Origin headers the server answers.
//!
//! A page on the open web can make a browser send requests to a server on the same machine, by a foreign origin or by
//! a name of its own that resolves to 127.0.0.1. Neither carries a Host that names us and an Origin that is us.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use url::{Host, Url};

use crate::problem::Problem;

/// Whom the server answers, judged by the Host and Origin headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostGuard {
    /// Everybody; for a server that others reach by names it cannot know.
    #[default]
    Any,
    /// Only requests to a loopback address, `localhost` or the public URL's host, and from no other origin than that.
    Loopback,
}

impl HostGuard {
    /// Refuses a request whose headers this guard does not like.
    pub(crate) fn check(self, headers: &HeaderMap, public_url: Option<&Url>) -> Result<(), Problem> {
        if self == Self::Any {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(authority);
        let Some(host) = host.filter(|host| is_loopback(host.host()) || public_url.is_some_and(|url| names(url, host)))
        else {
            let found = headers.get(HOST).map_or("nothing".into(), |value| format!("{value:?}"));
            let detail = format!("this server answers on loopback addresses only; the Host header says {found}");
            return Err(
                Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail).hint(
                    "use http://127.0.0.1 or http://localhost with the port, or run `larkspur serve` with a public_url",
                ),
            );
        };
        match headers.get(ORIGIN) {
            Some(origin) if !same_origin(origin, &host) => {
                let detail = format!("a web page of the origin {origin:?} may not use this server");
                Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
                    .hint("call the server from a program, or from a page that it served itself"))
            }
            _ => Ok(()),
        }
    }
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    Authority::try_from(value.as_bytes())
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        Err(_) => false,
    }
}

fn names(url: &Url, authority: &Authority) -> bool {
    let port = authority
        .port_u16()
        .or_else(|| url.scheme().eq("https").then_some(443))
        .unwrap_or(80);
    url.host_str()
        .is_some_and(|host| host.eq_ignore_ascii_case(authority.host()))
        && url.port_or_known_default() == Some(port)
}

fn same_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let Some((scheme, rest)) = origin.to_str().ok().and_then(|text| text.split_once("://")) else {
        return false;
    };
    matches!(scheme, "http" | "https") && rest.eq_ignore_ascii_case(host.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, origin: Option<&str>) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let public_url = Url::parse("https://events.example.com/").unwrap();
        HostGuard::Loopback
            .check(&headers, Some(&public_url))
            .err()
            .map(|problem| problem.status())
    }

    #[test]
    fn loopback_names_and_the_public_host_are_answered() {
        for host in [
            "127.0.0.1:7070",
            "127.9.9.9",
            "localhost:7070",
            "LOCALHOST",
            "[::1]:7070",
            "a.localhost:80",
        ] {
            assert_eq!(status(host, None), None, "{host}");
        }
        assert_eq!(status("events.example.com", None), None);
        assert_eq!(status("events.example.com:443", None), None);
    }

    #[test]
    fn any_other_host_is_misdirected() {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:7070",
            "user@127.0.0.1",
            "events.example.com:81",
        ] {
            assert_eq!(status(host, None), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        let refused = HostGuard::Loopback.check(&HeaderMap::new(), None).unwrap_err();
        assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn only_a_page_of_our_own_may_ask() {
        assert_eq!(status("127.0.0.1:7070", Some("http://127.0.0.1:7070")), None);
        for origin in [
            "https://evil.example",
            "http://127.0.0.1:3000",
            "http://localhost:7070",
            "null",
            "file://",
        ] {
            assert_eq!(
                status("127.0.0.1:7070", Some(origin)),
                Some(StatusCode::FORBIDDEN),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_server_without_a_guard_answers_everybody() {
        assert!(HostGuard::Any.check(&HeaderMap::new(), None).is_ok());
    }
}
