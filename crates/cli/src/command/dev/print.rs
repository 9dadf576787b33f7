//! What `dev` prints: how to connect, and then each thing that happens.

use larkspur_engine::{Activity, Engine};
use larkspur_store::{App, Mode};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::home::DevFile;
use crate::platform::now;
use crate::ui::{Ui, count, time_of_day};

/// How to connect, for people; one object for programs.
pub(super) fn ready(ui: &Ui, engine: &Engine, file: &DevFile) {
    let apps = engine.apps();
    let ready: Vec<_> = file
        .apps
        .iter()
        .filter_map(|app| apps.get(&app.app_id.parse().ok()?))
        .collect();
    let Some(first) = ready.first() else { return };
    let value = json!({
        "ready": true,
        "url": file.url,
        "admin_token": file.admin_token,
        "app_id": first.id,
        "app_secret": first.app_secret.expose(),
        "encrypt_key": first.encrypt_key.expose(),
        "verification_token": first.verification_token.expose(),
    });
    ui.result(&value, || {
        let (url, id, secret) = (&file.url, &first.id, first.app_secret.expose());
        let apps: String = ready.iter().map(|app| credentials(app)).collect();
        let webhook = ready.get(1).map_or(id, |app| &app.id);
        format!(
            "\
ready    {url}   ← put this where the SDK has https://open.feishu.cn

{apps}
python   lark.ws.Client(\"{id}\", \"{secret}\", event_handler=handler, domain=\"{url}\").start()
node     new lark.WSClient({{ appId: '{id}', appSecret: '{secret}', domain: '{url}' }}).start({{ eventDispatcher }})
go       larkws.NewClient(\"{id}\", \"{secret}\", larkws.WithEventHandler(handler), larkws.WithDomain(\"{url}\")).Start(ctx)
java     new Client.Builder(\"{id}\", \"{secret}\").domain(\"{url}\").eventHandler(handler).build().start();
rust     FEISHU_APP_ID={id} FEISHU_APP_SECRET={secret} FEISHU_BASE_URL={url} cargo run
webhook  larkspur app update {webhook} --event-url http://127.0.0.1:3000/webhook/event

next     larkspur trigger hire.eco_background_check.created_v1      (in this folder, in another terminal)
"
        )
    });
}

/// What a receiver must be told; only webhooks use the token and the key.
fn credentials(app: &App) -> String {
    let (id, secret, name) = (&app.id, app.app_secret.expose(), &app.name);
    let mut lines = format!("app      {id}  secret {secret}  {name}\n");
    if app.draft.events.mode == Mode::Webhook {
        let (token, key) = (app.verification_token.expose(), app.encrypt_key.expose());
        lines.push_str(&format!("           verification token {token}  encrypt key {key}\n"));
    }
    lines
}

/// Prints each thing that happens until the engine is gone.
pub(super) async fn activity(ui: Ui, mut activity: Receiver<Activity>, demo: bool) {
    loop {
        match activity.recv().await {
            Ok(activity) => {
                if let Some((value, text)) = line(&activity) {
                    let shown = ui.json || !demo || !matches!(activity, Activity::Published { .. });
                    if shown {
                        ui.result(&value, || text);
                    }
                }
            }
            Err(RecvError::Lagged(missed)) => ui.note(&format!("({missed} lines were skipped)")),
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(activity: &Activity) -> Option<(Value, String)> {
    let time = time_of_day(now());
    Some(match activity {
        Activity::Published {
            event_id,
            event_type,
            deliveries,
        } => (
            json!({ "published": event_id, "event_type": event_type, "deliveries": deliveries }),
            format!(
                "{time}  {event_id}  {event_type}  published for {}",
                count(*deliveries, "app")
            ),
        ),
        Activity::SessionOpened {
            app_id,
            session_id,
            online,
        } => (
            json!({ "session_opened": session_id.to_string(), "app_id": app_id, "online": online }),
            format!("{time}  connection {session_id} of {app_id} opened, {online} online"),
        ),
        Activity::SessionClosed {
            app_id,
            session_id,
            online,
            reason,
        } => (
            json!({ "session_closed": session_id.to_string(), "app_id": app_id, "online": online, "reason": reason }),
            format!("{time}  connection {session_id} of {app_id} ended ({reason}), {online} online"),
        ),
        other => {
            let (value, text) = attempt(other).or_else(|| call(other))?;
            (value, format!("{time}  {text}"))
        }
    })
}

/// One attempt: what, to whom, by which way, and how it ended.
fn attempt(activity: &Activity) -> Option<(Value, String)> {
    let Activity::Attempted {
        event_id,
        event_type,
        app_id,
        mode,
        target,
        attempt,
        code,
        took,
        error,
        next_try,
        dead,
    } = activity
    else {
        return None;
    };
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let value = json!({
        "attempted": event_id, "event_type": event_type, "app_id": app_id, "mode": mode, "target": target,
        "attempt": attempt, "code": code, "took_ms": took_ms, "error": error, "next_try": next_try, "dead": dead,
    });
    let way = way(*mode, target);
    let mut text = format!("{event_id}  {event_type}  → {app_id}  {way}  attempt {attempt}");
    if let Some(code) = code {
        text.push_str(&format!("  {code}"));
    }
    text.push_str(&format!("  {took_ms} ms"));
    if let Some(error) = error {
        text.push_str(&format!("  failed: {error}"));
    }
    match next_try {
        Some(at) => text.push_str(&format!("; next try at {}", time_of_day(*at))),
        None if *dead => text.push_str("; given up"),
        None => {}
    }
    Some((value, text))
}

/// One callback: what, to whom, by which way, and how it ended.
fn call(activity: &Activity) -> Option<(Value, String)> {
    let Activity::Called {
        event_id,
        event_type,
        app_id,
        mode,
        target,
        code,
        took,
        error,
    } = activity
    else {
        return None;
    };
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let value = json!({
        "called": event_id, "event_type": event_type, "app_id": app_id, "mode": mode, "target": target, "code": code,
        "took_ms": took_ms, "error": error,
    });
    let code = code.map(|code| format!("  {code}")).unwrap_or_default();
    let end = match error {
        Some(error) => format!("failed: {error}; it is not tried again"),
        None => "answered".to_owned(),
    };
    let way = way(*mode, target);
    let text = format!("{event_id}  {event_type}  → {app_id}  {way}{code}  {took_ms} ms  {end}");
    Some((value, text))
}

fn way(mode: Mode, target: &str) -> String {
    match (mode, target) {
        (Mode::Webhook, target) => format!("webhook {target}"),
        (Mode::Websocket, "") => "no connection".to_owned(),
        (Mode::Websocket, target) => format!("connection {target}"),
    }
}
