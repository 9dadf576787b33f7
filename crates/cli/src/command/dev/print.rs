//! What `dev` prints: how to connect, and then each thing that happens.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use larkspur::TimestampMs;
use larkspur_engine::{Activity, Engine};
use larkspur_store::Mode;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::home::DevFile;
use crate::ui::Ui;

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
        let mut text = format!("ready   {url}   ← put this where the SDK has https://open.feishu.cn\n\n");
        for app in &ready {
            let (id, secret, name) = (&app.id, app.app_secret.expose(), &app.name);
            text.push_str(&format!("app     {id}  secret {secret}  {name}\n"));
        }
        text.push_str(&format!(
            "
python  lark.ws.Client(\"{id}\", \"{secret}\", event_handler=handler, domain=\"{url}\").start()
node    new lark.WSClient({{ appId: '{id}', appSecret: '{secret}', domain: '{url}' }}).start({{ eventDispatcher }})
go      larkws.NewClient(\"{id}\", \"{secret}\", larkws.WithEventHandler(handler), larkws.WithDomain(\"{url}\"))
java    new Client.Builder(\"{id}\", \"{secret}\").domain(\"{url}\").eventHandler(handler).build().start();
rust    FEISHU_APP_ID={id} FEISHU_APP_SECRET={secret} FEISHU_BASE_URL={url} cargo run

next    larkspur trigger hire.eco_background_check.created_v1      (in this folder, in another terminal)
"
        ));
        text
    });
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
    let time = time(crate::command::serve::now());
    Some(match activity {
        Activity::Published {
            event_id,
            event_type,
            deliveries,
        } => (
            json!({ "published": event_id, "event_type": event_type, "deliveries": deliveries }),
            format!("{time}  {event_id}  {event_type}  published for {deliveries} apps"),
        ),
        Activity::Attempted {
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
        } => {
            let value = json!({
                "attempted": event_id, "event_type": event_type, "app_id": app_id, "mode": mode, "target": target,
                "attempt": attempt, "code": code, "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "error": error,
                "next_try": next_try, "dead": dead,
            });
            let way = match mode {
                Mode::Webhook => "webhook",
                Mode::Websocket => "connection",
            };
            let mut text = format!("{time}  {event_id}  {event_type}  → {app_id}  {way} {target}  attempt {attempt}");
            if let Some(code) = code {
                text.push_str(&format!("  {code}"));
            }
            text.push_str(&format!("  {} ms", took.as_millis()));
            if let Some(error) = error {
                text.push_str(&format!("  failed: {error}"));
            }
            match next_try {
                Some(at) => text.push_str(&format!("; next try at {}", self::time(*at))),
                None if *dead => text.push_str("; given up"),
                None => {}
            }
            (value, text)
        }
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
        _ => return None,
    })
}

/// The time of day where the developer is.
fn time(at: TimestampMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}
