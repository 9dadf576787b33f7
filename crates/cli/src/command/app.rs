//! `larkspur app`: the apps of a platform.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};

use crate::admin::Platform;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// See and change the apps of a platform.
#[derive(Subcommand)]
pub(crate) enum App {
    /// Make an app. Its secrets are printed once; see them again with `show --reveal`.
    Create {
        /// A name for people.
        name: String,
        /// Custom apps belong to one tenant; store apps serve many, by webhook only.
        #[arg(long, value_enum, default_value_t = Kind::Custom)]
        kind: Kind,
        #[command(flatten)]
        change: Change,
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
        app_id: String,
        /// Show its secrets too.
        #[arg(long)]
        reveal: bool,
        #[command(flatten)]
        platform: Platform,
    },
    /// Change an app; what is not named stays.
    Update {
        /// Its App ID.
        app_id: String,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        platform: Platform,
    },
    /// Publish a version, which puts the changes in force.
    Publish {
        /// Its App ID.
        app_id: String,
        #[command(flatten)]
        platform: Platform,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Custom,
    Store,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    Webhook,
    Websocket,
}

/// What to change.
#[derive(Args)]
pub(crate) struct Change {
    /// A tenant that has it installed; repeat for more.
    #[arg(long, value_name = "KEY")]
    tenant: Vec<String>,
    /// A scope it holds, or `all`; repeat for more.
    #[arg(long)]
    scope: Vec<String>,
    /// An event type it subscribes to, or `all`; repeat for more.
    #[arg(long, value_name = "TYPE")]
    event: Vec<String>,
    /// How events are pushed.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// The request URL for events.
    #[arg(long, value_name = "URL")]
    event_url: Option<String>,
    /// The Encrypt Key; empty for none.
    #[arg(long, value_name = "KEY")]
    encrypt_key: Option<String>,
    /// Make one of these anew: `app_secret`, `verification_token`, `encrypt_key`.
    #[arg(long, value_name = "SECRET")]
    reset: Vec<String>,
    /// Whether its URLs may lead into private address ranges.
    #[arg(long)]
    allow_private_addresses: Option<bool>,
}

impl Change {
    fn into_body(self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        let mut events = Map::new();
        if let Some(mode) = self.mode {
            let mode = match mode {
                Mode::Webhook => "webhook",
                Mode::Websocket => "websocket",
            };
            events.insert("mode".to_owned(), mode.into());
        }
        if let Some(url) = self.event_url {
            events.insert("url".to_owned(), url.into());
        }
        if let Some(types) = selection(self.event) {
            events.insert("types".to_owned(), types);
        }
        put("events", (!events.is_empty()).then_some(Value::Object(events)));
        put("tenants", (!self.tenant.is_empty()).then(|| json!(self.tenant)));
        put("scopes", selection(self.scope));
        put("encrypt_key", self.encrypt_key.map(Value::from));
        put("reset", (!self.reset.is_empty()).then(|| json!(self.reset)));
        put("allow_private_addresses", self.allow_private_addresses.map(Value::from));
        body
    }
}

fn selection(names: Vec<String>) -> Option<Value> {
    match names.as_slice() {
        [] => None,
        [all] if all == "all" => Some("all".into()),
        names => Some(json!(names)),
    }
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
                let kind = match kind {
                    Kind::Custom => "custom",
                    Kind::Store => "store",
                };
                body.insert("kind".to_owned(), kind.into());
                let admin = platform.connect()?;
                print(ui, &admin.send(Method::POST, "/apps?reveal=true", &body.into()).await?);
            }
            Self::List { platform } => {
                let apps = platform.connect()?.get("/apps").await?;
                apps["items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|app| print_short(ui, app));
            }
            Self::Show {
                app_id,
                reveal,
                platform,
            } => {
                print(
                    ui,
                    &platform
                        .connect()?
                        .get(&format!("/apps/{app_id}?reveal={reveal}"))
                        .await?,
                );
            }
            Self::Update {
                app_id,
                change,
                platform,
            } => {
                let body = change.into_body();
                if body.is_empty() {
                    let failure = Failure::msg(Exit::Usage, "nothing to change");
                    return Err(failure.hint("name a change, see `larkspur app update --help`"));
                }
                let admin = platform.connect()?;
                print(
                    ui,
                    &admin
                        .send(Method::PATCH, &format!("/apps/{app_id}"), &body.into())
                        .await?,
                );
            }
            Self::Publish { app_id, platform } => {
                let admin = platform.connect()?;
                print(
                    ui,
                    &admin
                        .send(Method::POST, &format!("/apps/{app_id}/versions"), &json!({}))
                        .await?,
                );
            }
        }
        Ok(())
    }
}

fn print_short(ui: &Ui, app: &Value) {
    ui.result(app, || {
        let text = |name: &str| app[name].as_str().unwrap_or_default().to_owned();
        let mode = app["published"]["events"]["mode"].as_str().unwrap_or("unpublished");
        format!(
            "{}  {:<7} {mode:<12} online {}  {}",
            text("app_id"),
            text("kind"),
            app["online"],
            text("name")
        )
    });
}

fn print(ui: &Ui, app: &Value) {
    ui.result(app, || {
        let mut text = String::new();
        let line = |text: &mut String, name: &str, value: String| text.push_str(&format!("{name:<20} {value}\n"));
        for name in [
            "app_id",
            "name",
            "kind",
            "app_secret",
            "verification_token",
            "encrypt_key",
            "event_url",
        ] {
            if let Some(value) = app[name].as_str() {
                line(&mut text, name, value.to_owned());
            }
        }
        let names = |value: &Value| value.as_array().map_or(0, Vec::len);
        line(
            &mut text,
            "tenants",
            app["tenants"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        );
        for (name, config) in [("draft", &app["draft"]), ("published", &app["published"])] {
            if config.is_null() {
                line(&mut text, name, "nothing yet; run `larkspur app publish`".to_owned());
                continue;
            }
            let mode = config["events"]["mode"].as_str().unwrap_or_default();
            let (types, scopes) = (names(&config["events"]["types"]), names(&config["scopes"]));
            line(&mut text, name, format!("{mode}, {types} event types, {scopes} scopes"));
        }
        line(&mut text, "online", app["online"].to_string());
        text
    });
}
