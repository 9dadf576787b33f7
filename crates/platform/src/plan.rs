//! The plan of a publish: which apps get the event and what each may not see, which do not and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use larkspur_catalog::ScopeRule;
use larkspur_store::{App, Mode};

use crate::gate::{self, Gate, Subject};

/// What becomes of one event.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One per app that gets it, in order of app id.
    pub deliveries: Vec<Planned>,
    /// The apps that do not get it, in order of app id, and the first gate that says no; [`check`](crate::check) says why.
    pub refused: Vec<(Arc<App>, Gate)>,
    /// What could not be checked because it is not documented.
    pub warnings: Vec<String>,
}

/// One app that gets the event.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The app as it was when the event was accepted.
    pub app: Arc<App>,
    /// How it will be pushed.
    pub mode: Mode,
    /// Paths of the fields it may not see.
    pub withheld: Vec<String>,
}

impl Plan {
    /// Walks the gates for every app.
    pub fn new<'a>(subject: &Subject<'_>, apps: impl IntoIterator<Item = &'a Arc<App>>) -> Self {
        let mut plan = Self {
            warnings: warnings(subject),
            ..Self::default()
        };
        for app in apps {
            match gate::closed(subject, app) {
                None => plan.deliveries.push(planned(subject, app)),
                Some(gate) => plan.refused.push((Arc::clone(app), gate)),
            }
        }
        plan
    }

    /// How many apps each gate refused; every gate is there, also with none.
    pub fn refused_by_gate(&self) -> BTreeMap<Gate, u32> {
        let mut counts: BTreeMap<Gate, u32> = Gate::ALL.into_iter().map(|gate| (gate, 0)).collect();
        for (_, gate) in &self.refused {
            *counts.entry(*gate).or_default() += 1;
        }
        counts
    }
}

fn planned(subject: &Subject<'_>, app: &Arc<App>) -> Planned {
    let config = app.published.as_ref().map(|version| &version.config);
    let held = |scope: &str| config.is_some_and(|config| config.scopes.contains(scope));
    Planned {
        app: Arc::clone(app),
        mode: config.map_or_else(Mode::default, |config| gate::subscriptions(subject.facts, config).mode),
        withheld: subject
            .facts
            .withheld_paths(&held)
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

fn warnings(subject: &Subject<'_>) -> Vec<String> {
    let event_type = subject.event_type;
    let mut warnings = Vec::new();
    if matches!(subject.facts.scopes, ScopeRule::Unknown) {
        warnings.push(format!(
            "the scopes of `{event_type}` are not documented, so no scope was asked for"
        ));
    }
    if subject.facts.app_types.is_none() {
        warnings.push(format!(
            "the app types of `{event_type}` are not documented, so every app type passed"
        ));
    }
    warnings
}
