//! Calls to parts of the open API that this platform does not have: answered in Feishu's envelope and remembered.
//!
//! What is remembered tells a developer what their app needs besides events. It never holds bodies, queries or tokens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use larkspur_platform::token;
use larkspur_wire::{AppId, TimestampMs, code};

use super::envelope::{LogId, OpenError};
use crate::auth::bearer;
use crate::server::Server;

/// The newest calls are kept, the oldest go.
const CALLS_MAX: usize = 1_000;
/// Longer paths and methods are cut; the open API's own are shorter.
const PATH_CHARS_MAX: usize = 512;
const METHOD_CHARS_MAX: usize = 16;

/// One call that was not understood.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) called_at: TimestampMs,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The app, when a valid token named it.
    pub(crate) app_id: Option<AppId>,
}

/// The last calls, in order.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<VecDeque<Call>>);

impl Calls {
    fn record(&self, call: Call) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// At most this many, the newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<Call> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().rev().take(limit).cloned().collect()
    }
}

/// Answers and remembers a call to a path that does not exist here.
pub(crate) async fn unknown(
    State(server): State<Arc<Server>>,
    Extension(log_id): Extension<LogId>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> OpenError {
    server.calls.record(Call {
        called_at: server.now(),
        method: method.as_str().chars().take(METHOD_CHARS_MAX).collect(),
        path: uri.path().chars().take(PATH_CHARS_MAX).collect(),
        app_id: caller(&server, &headers),
    });
    let msg = format!("{} {} is not part of this platform", method, uri.path());
    OpenError {
        status: StatusCode::NOT_FOUND,
        code: code::PATH_NOT_FOUND,
        msg,
        log_id,
    }
}

/// The app whose valid token the request carries.
fn caller(server: &Server, headers: &HeaderMap) -> Option<AppId> {
    let token = bearer(headers)?;
    let apps = server.engine.apps();
    let app = apps.get(&token::app_of(token)?)?;
    token::verify(app, token, server.now()).map(|_| app.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_calls_are_kept() {
        let calls = Calls::default();
        let call = |n: i64| Call {
            called_at: TimestampMs(n),
            method: String::new(),
            path: String::new(),
            app_id: None,
        };
        (0..=1_000).for_each(|n| calls.record(call(n)));
        let times: Vec<_> = calls.newest(usize::MAX).iter().map(|call| call.called_at.0).collect();
        assert_eq!((times.len(), times[0], times[999]), (1_000, 1_000, 1));
    }
}
