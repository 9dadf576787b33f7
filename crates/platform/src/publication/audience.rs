//! Who an addressed event is for: an event for one vendor never reaches another.

use larkspur_store::BindingKey;
use larkspur_wire::AppId;
use serde_json::Value;

use super::{Publication, PublishError};
use crate::gate::Audience;

/// What the payload names that may be bound to an app; empty when the type is for everyone.
pub fn bound_by(publication: &Publication<'_>) -> Vec<BindingKey> {
    let addressed = publication.facts.addressed.as_ref();
    addressed.map_or_else(Vec::new, |addressed| keys(&publication.value, &addressed.by))
}

/// What the event binds to the app that receives it, so that later events about it find the same app.
pub fn binds(publication: &Publication<'_>) -> Vec<BindingKey> {
    let addressed = publication.facts.addressed.as_ref();
    addressed.map_or_else(Vec::new, |addressed| keys(&publication.value, &addressed.binds))
}

fn keys(payload: &Value, references: &[larkspur_catalog::Reference]) -> Vec<BindingKey> {
    let id = |path: &str| path.split('.').try_fold(payload, |value, segment| value.get(segment));
    let keys = references.iter().filter_map(|reference| {
        let id = id(&reference.path)?.as_str().filter(|id| !id.is_empty())?;
        Some(BindingKey {
            kind: reference.kind.clone(),
            id: id.to_owned(),
        })
    });
    keys.collect()
}

/// Decides who the event is for, from the app named and from what the named things are bound to.
pub fn resolve(publication: &Publication<'_>, bound: &[(BindingKey, AppId)]) -> Result<Audience, PublishError> {
    let mut only = publication.app_id.clone();
    for (key, app_id) in bound {
        match &only {
            Some(given) if given != app_id => {
                return Err(PublishError::Misaddressed {
                    named: name(key),
                    bound: app_id.clone(),
                    given: given.clone(),
                });
            }
            _ => only = Some(app_id.clone()),
        }
    }
    match only {
        Some(app_id) => Ok(Audience::Only(app_id)),
        None if publication.facts.addressed.is_some() => Err(PublishError::NotAddressed {
            event_type: publication.event_type.clone(),
            named: bound_by(publication).iter().map(name).collect(),
        }),
        None => Ok(Audience::Everyone),
    }
}

fn name(key: &BindingKey) -> String {
    format!("{}/{}", key.kind, key.id)
}
