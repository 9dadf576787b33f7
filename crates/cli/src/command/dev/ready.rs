//! Making the apps ready: the same ones every time, and only what is missing.

use std::collections::BTreeSet;
use std::path::Path;

use larkspur_catalog::Catalog;
use larkspur_engine::{Engine, RegistryError};
use larkspur_platform::{AppChange, NewApp, SecretChange, Selection, SubscriptionChange};
use larkspur_store::{AppKind, Binding, BindingKey, Mode};
use larkspur_wire::{AppId, hex};

use super::TENANT;
use crate::failure::Failure;
use crate::home::{DevApp, DevFile};

/// An app to make ready.
struct Wanted {
    name: &'static str,
    kind: AppKind,
    mode: Mode,
    encrypted: bool,
}

const WANTED: [Wanted; 3] = [
    Wanted {
        name: "persistent connection",
        kind: AppKind::Custom,
        mode: Mode::Websocket,
        encrypted: false,
    },
    Wanted {
        name: "webhook",
        kind: AppKind::Custom,
        mode: Mode::Webhook,
        encrypted: true,
    },
    Wanted {
        name: "store app, webhook",
        kind: AppKind::Store,
        mode: Mode::Webhook,
        encrypted: true,
    },
];

/// The inbox is in this process, and answers the challenge at once; but a machine may be so busy that the second that
/// Feishu gives is over first.
const INBOX_TRIES: usize = 10;

/// What the run before left, at the address of this run.
pub(super) fn file(dir: &Path, url: String) -> anyhow::Result<DevFile> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    let new = || DevFile {
        url: String::new(),
        admin_token: hex(&random),
        apps: Vec::new(),
    };
    let file = DevFile::read(dir)?.unwrap_or_else(new);
    Ok(DevFile { url, ..file })
}

/// Makes the apps that are missing, points the built-in inbox to where it is now, and writes the file. What was changed
/// stays.
pub(super) async fn apps(engine: &Engine, file: &mut DevFile, dir: &Path) -> Result<(), Failure> {
    let before = std::mem::take(&mut file.apps);
    for (idx, wanted) in WANTED.iter().enumerate() {
        let noted = before.get(idx).and_then(|app| app.app_id.parse::<AppId>().ok());
        let noted = noted.filter(|id| engine.apps().get(id).is_some());
        let id = match noted.or_else(|| unnoted(engine, wanted)) {
            Some(id) => id,
            None => engine.create_app(new_app(wanted)).await?.id.clone(),
        };
        if wanted.mode == Mode::Webhook {
            point_to_inbox(engine, &id, &file.url).await?;
        }
        let apps = engine.apps();
        let Some(app) = apps.get(&id) else { continue };
        file.apps.push(DevApp {
            app_id: id.to_string(),
            app_secret: app.app_secret.expose().to_owned(),
        });
        if idx == 0 {
            bind_examples(engine, &id).await?;
        }
    }
    file.write(dir)?;
    Ok(())
}

/// An app of ours that the file does not name, because the file was deleted or its run was killed before writing it.
fn unnoted(engine: &Engine, wanted: &Wanted) -> Option<AppId> {
    let apps = engine.apps();
    let ours = apps
        .iter()
        .find(|app| app.name == wanted.name && app.kind == wanted.kind);
    ours.map(|app| app.id.clone())
}

fn new_app(wanted: &Wanted) -> NewApp {
    let events = SubscriptionChange {
        mode: Some(wanted.mode),
        types: Some(Selection::All),
        ..SubscriptionChange::default()
    };
    NewApp {
        kind: wanted.kind,
        id: None,
        config: AppChange {
            name: Some(wanted.name.to_owned()),
            tenants: Some(BTreeSet::from_iter(TENANT.parse())),
            scopes: Some(Selection::All),
            callbacks: events.clone(),
            events,
            encrypt_key: wanted.encrypted.then_some(SecretChange::Reset),
            allow_private_addresses: Some(true),
            ..AppChange::default()
        },
    }
}

/// The inbox moves with the port; a URL of the developer's own stays.
async fn point_to_inbox(engine: &Engine, id: &AppId, url: &str) -> Result<(), RegistryError> {
    let inbox = format!("{url}/inbox/{id}");
    let apps = engine.apps();
    let Some(app) = apps.get(id) else { return Ok(()) };
    let moved = |now: &Option<String>| {
        let ours = now.as_ref().is_none_or(|now| now.ends_with(&format!("/inbox/{id}")));
        let url = (ours && now.as_ref() != Some(&inbox)).then(|| Some(inbox.clone()));
        SubscriptionChange {
            url,
            ..SubscriptionChange::default()
        }
    };
    let (events, callbacks) = (moved(&app.event_url), moved(&app.callback_url));
    if events.url.is_some() || callbacks.url.is_some() {
        let change = AppChange {
            events,
            callbacks,
            ..AppChange::default()
        };
        for _ in 1..INBOX_TRIES {
            match engine.update_app(id, change.clone()).await {
                Err(RegistryError::Challenge { .. }) => {}
                ended => return ended.map(drop),
            }
        }
        engine.update_app(id, change).await?;
    }
    Ok(())
}

/// Binds what the examples name to the app, so that a bare `trigger` of any type arrives.
async fn bind_examples(engine: &Engine, app_id: &AppId) -> Result<(), Failure> {
    for facts in Catalog::embedded().iter() {
        let Some(addressed) = &facts.addressed else { continue };
        let sample = facts.sample();
        for reference in addressed.by.iter().chain(&addressed.binds) {
            let Some(id) = sample.get(&reference.path).and_then(serde_json::Value::as_str) else {
                continue;
            };
            let key = BindingKey {
                kind: reference.kind.clone(),
                id: id.to_owned(),
            };
            if engine.store().binding(&key).await?.is_none() {
                engine
                    .bind(Binding {
                        key,
                        app_id: app_id.clone(),
                    })
                    .await?;
            }
        }
    }
    Ok(())
}
