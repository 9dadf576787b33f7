//! `larkspur event`: what event types there are. Works without a platform.

use clap::Subcommand;
use larkspur_catalog::{AppType, Catalog, EventTypeFacts, Field, Kind, ScopeRule};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Examples:
  larkspur event list 'hire.*'
  larkspur event show hire.eco_exam.created_v1
  larkspur event sample hire.eco_exam.created_v1 > exam.json";

/// See what event types there are; works without a platform.
#[derive(Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Event {
    /// List event types, with their official titles.
    List {
        /// Only those that match; `*` stands for any characters.
        #[arg(default_value = "*")]
        pattern: String,
    },
    /// Show an event type: fields, scopes, app types, the official page.
    Show {
        /// Its name.
        event_type: String,
    },
    /// Print an example payload.
    Sample {
        /// Its name.
        event_type: String,
    },
}

impl Event {
    pub(crate) fn run(self, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::List { pattern } => list(ui, &pattern),
            Self::Show { event_type } => show(ui, find(&event_type)?),
            Self::Sample { event_type } => {
                let sample = find(&event_type)?.sample();
                ui.result(&sample, || format!("{sample:#}"));
            }
        }
        Ok(())
    }
}

/// An event type or a callback, or an error that names the closest one.
pub(crate) fn find(event_type: &str) -> Result<&'static EventTypeFacts, Failure> {
    let catalog = Catalog::embedded();
    let found = catalog.find(event_type).or_else(|| catalog.callback(event_type));
    found.ok_or_else(|| {
        let failure = Failure::msg(Exit::Usage, format!("the event type `{event_type}` does not exist"));
        match catalog
            .suggest(event_type)
            .or_else(|| catalog.suggest_callback(event_type))
        {
            Some(name) => failure.with_hint(format!("did you mean `{name}`?")),
            None => failure.with_hint("see `larkspur event list`"),
        }
    })
}

fn list(ui: &Ui, pattern: &str) {
    let mut matching = Catalog::embedded().matching(pattern).peekable();
    if matching.peek().is_none() {
        ui.note(&format!(
            "no event type matches `{pattern}`; `*` stands for any characters, as in 'hire.*'"
        ));
    }
    for facts in matching {
        let title = facts.title.as_deref().unwrap_or_default();
        ui.result(&json!({ "event_type": facts.event_type, "title": facts.title }), || {
            format!("{:<70} {title}", facts.event_type)
        });
    }
}

fn show(ui: &Ui, facts: &EventTypeFacts) {
    let app_types = match facts.app_types.as_deref() {
        None => "not documented".to_owned(),
        Some(types) => types
            .iter()
            .map(|app_type| word(*app_type))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let scopes = match &facts.scopes {
        ScopeRule::Unknown => "not documented".to_owned(),
        ScopeRule::NoneRequired => "none".to_owned(),
        ScopeRule::AnyOf(scopes) => format!("any one of {}", scopes.join(", ")),
    };
    let mut value = json!({
        "event_type": facts.event_type, "title": facts.title, "schema": facts.schema, "app_types": facts.app_types,
        // `null` where it is not documented, empty where none is needed.
        "scopes": match &facts.scopes {
            ScopeRule::Unknown => None,
            ScopeRule::NoneRequired => Some(&[][..]),
            ScopeRule::AnyOf(scopes) => Some(scopes.as_slice()),
        },
        "doc_url": facts.doc_url, "fields": fields(&facts.fields),
    });
    if facts.kind == Kind::Callback {
        value["answer_fields"] = fields(&facts.reply_fields).into();
    }
    ui.result(&value, || {
        let mut text = format!("{}\n", facts.event_type);
        let page = facts.doc_url.as_deref().unwrap_or("none");
        let title = facts.title.as_deref().unwrap_or("none");
        for (name, value) in [
            ("title", title),
            ("page", page),
            ("app types", &app_types),
            ("scopes", &scopes),
        ] {
            text.push_str(&format!("  {name:<10} {value}\n"));
        }
        text.push_str("  fields\n");
        text.extend(facts.fields.iter().map(line));
        if facts.kind == Kind::Callback {
            text.push_str("  fields of the answer\n");
            text.extend(facts.reply_fields.iter().map(line));
        }
        text
    });
}

fn fields(fields: &[Field]) -> Vec<Value> {
    let shown = |field: &Field| {
        json!({
            "path": field.path, "type": field.field_type.to_string(), "doc": field.doc, "scopes": field.scopes,
            "values": field.values,
        })
    };
    fields.iter().map(shown).collect()
}

fn line(field: &Field) -> String {
    let field_type = field.field_type.to_string();
    let needs = if field.scopes.is_empty() {
        String::new()
    } else {
        format!("  [{}]", field.scopes.join(", "))
    };
    let doc = field.doc.as_deref().unwrap_or_default();
    format!("    {:<44} {field_type:<14} {doc}{needs}\n", field.path)
}

fn word(app_type: AppType) -> &'static str {
    match app_type {
        AppType::Custom => "custom",
        AppType::Store => "store",
    }
}
