//! Which scopes an app may hold, and which types it may subscribe to with them.

use std::collections::BTreeSet;

use larkspur_catalog::{EventTypeFacts, ScopeRule};
use larkspur_store::AppKind;
use larkspur_wire::{EventType, Scope};

use super::{AppError, Rules, Selection};
use crate::gate::{allows, catalogue_type};
use crate::settings::UnverifiedTypes;

/// The scopes selected, each of which exists and may be held.
pub(super) fn scopes(rules: Rules<'_>, kind: AppKind, wanted: Selection<Scope>) -> Result<BTreeSet<Scope>, AppError> {
    let holdable = |scope: &larkspur_catalog::Scope| scope.holdable_by(catalogue_type(kind));
    match wanted {
        Selection::All => {
            let names = rules
                .catalog
                .scopes()
                .filter(|scope| holdable(scope))
                .map(|scope| scope.name.parse());
            Ok(names.filter_map(Result::ok).collect())
        }
        Selection::These(scopes) => {
            for scope in &scopes {
                match rules.catalog.scope(scope.as_str()) {
                    None => return Err(AppError::UnknownScope { scope: scope.clone() }),
                    Some(known) if !holdable(known) => {
                        return Err(AppError::ScopeNotHoldable {
                            scope: scope.clone(),
                            kind,
                        });
                    }
                    Some(_) => {}
                }
            }
            Ok(scopes)
        }
    }
}

/// The event types selected. Those that were subscribed before stay even when their scope was lost: the scope gate
/// stops the push, as in Feishu.
pub(super) fn event_types(
    rules: Rules<'_>,
    kind: AppKind,
    held: &BTreeSet<Scope>,
    before: &BTreeSet<EventType>,
    wanted: Selection<EventType>,
) -> Result<BTreeSet<EventType>, AppError> {
    match wanted {
        Selection::All => {
            let allowed = rules
                .catalog
                .iter()
                .filter(|facts| subscribable(rules, kind, held, facts).is_ok());
            Ok(allowed.filter_map(|facts| facts.event_type.parse().ok()).collect())
        }
        Selection::These(types) => {
            for event_type in types.difference(before) {
                let Some(facts) = rules.catalog.find(event_type.as_str()) else {
                    if rules.catalog.callback(event_type.as_str()).is_some() {
                        let event_type = event_type.clone();
                        return Err(AppError::IsCallback { event_type });
                    }
                    let suggestion = rules.catalog.suggest(event_type.as_str()).map(str::to_owned);
                    let event_type = event_type.clone();
                    return Err(AppError::UnknownType {
                        event_type,
                        path: "events.types",
                        suggestion,
                    });
                };
                subscribable(rules, kind, held, facts).map_err(|refused| refused.for_type(event_type))?;
            }
            Ok(types)
        }
    }
}

enum Refused {
    Kind(AppKind),
    Scope(Vec<String>),
    Unverified,
}

impl Refused {
    fn for_type(self, event_type: &EventType) -> AppError {
        let event_type = event_type.clone();
        match self {
            Self::Kind(kind) => AppError::TypeNotAllowed { event_type, kind },
            Self::Scope(scopes) => AppError::MissingScope { event_type, scopes },
            Self::Unverified => AppError::Unverified { event_type },
        }
    }
}

fn subscribable(
    rules: Rules<'_>,
    kind: AppKind,
    held: &BTreeSet<Scope>,
    facts: &EventTypeFacts,
) -> Result<(), Refused> {
    if !allows(facts, kind) {
        return Err(Refused::Kind(kind));
    }
    if facts.unverified && rules.unverified_types == UnverifiedTypes::Refuse {
        return Err(Refused::Unverified);
    }
    match &facts.scopes {
        ScopeRule::AnyOf(scopes) if !scopes.iter().any(|scope| held.contains(scope.as_str())) => {
            Err(Refused::Scope(scopes.iter().map(ToString::to_string).collect()))
        }
        _ => Ok(()),
    }
}

/// The callbacks selected, each of which exists and may go to apps of this kind.
pub(super) fn callbacks(
    rules: Rules<'_>,
    kind: AppKind,
    wanted: Selection<EventType>,
) -> Result<BTreeSet<EventType>, AppError> {
    let allowed = |facts: &EventTypeFacts| allows(facts, kind);
    match wanted {
        Selection::All => {
            let names = rules
                .catalog
                .callbacks()
                .filter(|facts| allowed(facts))
                .map(|facts| facts.event_type.parse());
            Ok(names.filter_map(Result::ok).collect())
        }
        Selection::These(types) => {
            for event_type in &types {
                match rules.catalog.callback(event_type.as_str()) {
                    None => {
                        return Err(AppError::UnknownType {
                            event_type: event_type.clone(),
                            path: "callbacks.types",
                            suggestion: rules.catalog.suggest_callback(event_type.as_str()).map(str::to_owned),
                        });
                    }
                    Some(facts) if !allowed(facts) => {
                        return Err(AppError::TypeNotAllowed {
                            event_type: event_type.clone(),
                            kind,
                        });
                    }
                    Some(_) => {}
                }
            }
            Ok(types)
        }
    }
}
