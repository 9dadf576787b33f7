//! What the documentation of a generated struct says of its event type.

use larkspur_catalog::{AppType, EventTypeFacts, ScopeRule};

/// The lines above the struct of an event type or callback.
pub(super) fn event(facts: &EventTypeFacts, kind: &str) -> Vec<String> {
    let mut lines = vec![format!("{kind} `{}`.", facts.event_type), "\n".to_owned()];
    lines.push(format!("* Scopes: {}.", scopes(&facts.scopes)));
    lines.push(format!("* App types: {}.", app_types(facts.app_types.as_deref())));
    lines.push(match &facts.doc_url {
        Some(url) => format!("* Official page: <{url}>"),
        None => "* Official page: none.".to_owned(),
    });
    if facts.historic {
        lines.push("* A former version, which new apps should not use.".to_owned());
    }
    if facts.unverified {
        lines.push("* No official page confirms it.".to_owned());
    }
    lines
}

fn scopes(rule: &ScopeRule) -> String {
    match rule {
        ScopeRule::Unknown => "not documented".to_owned(),
        ScopeRule::NoneRequired => "none needed".to_owned(),
        ScopeRule::AnyOf(scopes) => {
            let quoted: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
            let any = if scopes.len() > 1 { "any one of " } else { "" };
            format!("{any}{}", quoted.join(", "))
        }
    }
}

fn app_types(app_types: Option<&[AppType]>) -> String {
    let Some(app_types) = app_types else {
        return "not documented".to_owned();
    };
    let names: Vec<&str> = app_types
        .iter()
        .map(|app_type| match app_type {
            AppType::Custom => "custom",
            AppType::Store => "store",
        })
        .collect();
    names.join(", ")
}
