//! Who an addressed event is for: an event for one vendor never reaches another.

use larkspur_store::BindingKey;
use larkspur_wire::AppId;
use serde_json::Value;

use super::{Publication, PublishError};
use crate::gate::Audience;

/// What the payload names that may be bound to an app; empty when the type is for everyone.
pub fn bound_by(publication: &Publication<'_>) -> Vec<BindingKey> {
    let addressed = publication.facts.addressed.as_ref();
    addressed.map_or_else(Vec::new, |addressed| keys(publication.payload.value(), &addressed.by))
}

/// What the event binds to the app that receives it, so that later events about it find the same app.
pub fn binds(publication: &Publication<'_>) -> Vec<BindingKey> {
    let addressed = publication.facts.addressed.as_ref();
    addressed.map_or_else(Vec::new, |addressed| {
        keys(publication.payload.value(), &addressed.binds)
    })
}

/// What the event is about, when events about it are pushed in order; of another type they do not wait for this one.
///
/// <https://open.feishu.cn/document/ukTMukTMukTM/uUTNz4SN1MjL1UzM>
pub fn order_key(publication: &Publication<'_>) -> Option<String> {
    let path = publication.facts.ordered_by.as_deref()?;
    let id = text_at(publication.payload.value(), path)?;
    Some(format!("{} {id}", publication.event_type))
}

fn keys(payload: &Value, references: &[larkspur_catalog::Reference]) -> Vec<BindingKey> {
    let keys = references.iter().filter_map(|reference| {
        Some(BindingKey {
            kind: reference.kind.clone(),
            id: text_at(payload, &reference.path)?.to_owned(),
        })
    });
    keys.collect()
}

fn text_at<'a>(payload: &'a Value, path: &str) -> Option<&'a str> {
    let found = path.split('.').try_fold(payload, |value, segment| value.get(segment));
    found?.as_str().filter(|text| !text.is_empty())
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
