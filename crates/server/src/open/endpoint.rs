//! `POST /callback/ws/endpoint`: an app proves who it is and gets a URL for one persistent connection.
//!
//! Every SDK takes another HTTP status than 200 for "try again", so refusals are told by the code alone.
//!
//! <https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/request-url-configuration-case>

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use larkspur_store::{App, AppKind, Mode};
use larkspur_wire::code;
use larkspur_wire::endpoint::{ENDPOINT_BYTES_MAX, EndpointReply, EndpointRequest};
use url::Url;

use super::authenticate;
use super::envelope::json;
use crate::body;
use crate::problem::Refused;
use crate::server::{Connection, Server};

struct Refusal {
    code: i64,
    msg: String,
}

/// Hands out a URL, or says why not.
pub(crate) async fn endpoint(
    State(server): State<Arc<Server>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let Refusal { code, msg } = match connect(&server, &connection, request).await {
        Ok(reply) => return json(StatusCode::OK, reply),
        Err(refusal) => refusal,
    };
    tracing::debug!(code, msg, peer = %connection.peer, "refused a connection URL");
    let mut response = json(StatusCode::OK, EndpointReply::write_refused(code, &msg));
    response.extensions_mut().insert(Refused(format!("endpoint_{code}")));
    response
}

async fn connect(server: &Server, connection: &Connection, request: Request) -> Result<Vec<u8>, Refusal> {
    let base = base(server, connection, request.headers());
    let not_understood = || Refusal {
        code: code::AUTH_FAILED,
        msg: r#"the body must be {"AppID":"cli_…","AppSecret":"…"}"#.to_owned(),
    };
    let body = body::read(request, ENDPOINT_BYTES_MAX)
        .await
        .map_err(|_| not_understood())?;
    let asked = EndpointRequest::parse(&body).map_err(|_| not_understood())?;
    let app = authenticate(&server.engine.apps(), &asked.app_id, &asked.app_secret).map_err(|_| Refusal {
        code: code::BAD_CREDENTIAL,
        msg: "app_id or app_secret is invalid".to_owned(),
    })?;
    may_connect(&app)?;
    let base = base.ok_or_else(|| Refusal {
        code: code::INTERNAL_ERROR,
        msg: "the request has no Host header, and the platform has no public_url".to_owned(),
    })?;
    let hub = server.engine.hub();
    let issued = hub.issue_url(&app.id, &base);
    let url = issued.map_err(|refusal| Refusal {
        code: refusal.code(),
        msg: refusal.to_string(),
    })?;
    let msg = &server.engine.settings().assumptions.endpoint_success_msg;
    Ok(EndpointReply::write_connect(&url, &hub.client_config(), msg))
}

fn may_connect(app: &App) -> Result<(), Refusal> {
    let forbidden = |msg: String| {
        Err(Refusal {
            code: code::FORBIDDEN,
            msg,
        })
    };
    if app.kind == AppKind::Store {
        return forbidden(format!(
            "`{}` is a store app; store apps receive by webhook only",
            app.id
        ));
    }
    let Some(version) = &app.published else {
        return forbidden(format!("`{}` has no published version; publish one", app.id));
    };
    if ![version.config.events.mode, version.config.callbacks.mode].contains(&Mode::Websocket) {
        return forbidden(format!(
            "version {} of `{}` receives by webhook; choose the mode `websocket` and publish a version",
            version.number, app.id
        ));
    }
    Ok(())
}

/// Where clients reach the platform: the public URL, else what the request called it.
fn base(server: &Server, connection: &Connection, headers: &HeaderMap) -> Option<Url> {
    if let Some(url) = &server.public_url {
        return Some(url.clone());
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if connection.secure { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{host}")).ok()?;
    // A Host is a name and a port; anything more would end up in the URL that is handed out.
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (plain && url.password().is_none()).then_some(url)
}
