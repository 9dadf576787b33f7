//! `larkspur app`: the apps of a platform.

mod change;
mod print;

use clap::{Subcommand, ValueEnum};
use http::Method;
use larkspur_wire::AppId;
use serde::Serialize;
use serde_json::{Value, json};

use self::change::Change;
use crate::admin::{Platform, To};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Examples:
  larkspur app create mine --tenant 2ca1d211f64f6438 --mode websocket --scope all --event 'im.message.receive_v1'
  larkspur app update cli_… --event-url http://127.0.0.1:3000/webhook/event
  larkspur app show cli_… --reveal

2ca1d211f64f6438 is the tenant in which everything happens that `larkspur dev` publishes without naming one.
Subscriptions, modes and scopes count from the next published version on; with `larkspur dev` that is at once.";

/// See and change the apps of a platform.
#[derive(Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum App {
    /// Make an app, and print its secrets; see them again with `show --reveal`.
    Create {
        /// A name for people.
        name: String,
        /// Custom apps belong to one tenant; store apps serve many, by webhook only.
        #[arg(long, value_enum, default_value_t = Kind::Custom)]
        kind: Kind,
        #[command(flatten)]
        change: Box<Change>,
        #[command(flatten)]
        platform: Platform,
    },
    /// List the apps.
    List {
        #[command(flatten)]
        platform: Platform,
    },
    /// Show an app.
    Show {
        /// Its App ID.
        app_id: AppId,
        /// Show its secrets too.
        #[arg(long)]
        reveal: bool,
        #[command(flatten)]
        platform: Platform,
    },
    /// Change an app; what is not named stays.
    Update {
        /// Its App ID.
        app_id: AppId,
        /// Another name for people.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        change: Box<Change>,
        #[command(flatten)]
        platform: Platform,
    },
    /// Remove an app: what waits for it is given up, and what the log has of it stays.
    Delete {
        /// Its App ID.
        app_id: AppId,
        #[command(flatten)]
        platform: Platform,
    },
    /// Publish a version, which puts the changes in force.
    Publish {
        /// Its App ID.
        app_id: AppId,
        #[command(flatten)]
        platform: Platform,
    },
}

/// Who may install an app.
#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Custom,
    Store,
}

impl App {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::Create {
                name,
                kind,
                change,
                platform,
            } => {
                let mut body = change.into_body();
                body.insert("name".to_owned(), name.into());
                body.insert("kind".to_owned(), json!(kind));
                let to = To(&["apps"], &[("reveal", "true")]);
                let app = platform.connect()?.send(Method::POST, to, &body.into()).await?;
                print::app(ui, &app);
            }
            Self::List { platform } => list(ui, platform).await?,
            Self::Show {
                app_id,
                reveal,
                platform,
            } => {
                let to = To(
                    &["apps", app_id.as_str()],
                    &[("reveal", if reveal { "true" } else { "false" })],
                );
                print::app(ui, &platform.connect()?.get(to).await?);
            }
            Self::Update {
                app_id,
                name,
                change,
                platform,
            } => {
                let mut body = change.into_body();
                body.extend(name.map(|name| ("name".to_owned(), name.into())));
                if body.is_empty() {
                    let failure = Failure::msg(Exit::Usage, "nothing to change");
                    return Err(failure.with_hint("name a change, see `larkspur app update --help`"));
                }
                let to = To(&["apps", app_id.as_str()], &[]);
                let app = platform.connect()?.send(Method::PATCH, to, &body.into()).await?;
                print::app(ui, &app);
            }
            Self::Delete { app_id, platform } => {
                let to = To(&["apps", app_id.as_str()], &[]);
                platform.connect()?.delete(to).await?;
                ui.result(&json!({ "deleted": app_id }), || format!("{app_id}  deleted"));
            }
            Self::Publish { app_id, platform } => {
                let to = To(&["apps", app_id.as_str(), "versions"], &[]);
                let app = platform.connect()?.send(Method::POST, to, &json!({})).await?;
                print::app(ui, &app);
            }
        }
        Ok(())
    }
}

/// Prints page after page.
async fn list(ui: &Ui, platform: Platform) -> Result<(), Failure> {
    let admin = platform.connect()?;
    let mut after: Option<String> = None;
    loop {
        let after_query = after.as_deref().map(|after| ("after", after));
        let query: Vec<_> = after_query.into_iter().collect();
        let page = admin.get(To(&["apps"], &query)).await?;
        let apps = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        for app in apps {
            print::short(ui, app);
        }
        after = page["next"].as_str().filter(|_| !apps.is_empty()).map(str::to_owned);
        if after.is_none() {
            return Ok(());
        }
    }
}

/// A list of names as one value: `null` stands for what is not there.
fn names(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
