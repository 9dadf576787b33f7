//! What a producer publishes: parsed, checked against the catalogue, addressed.

mod audience;
mod compact;
mod error;
mod payload;

use larkspur_catalog::{Catalog, EventTypeFacts};
use larkspur_wire::{AppId, EventId, EventType, TenantKey, TimestampMs, sha256};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::settings::{PublishSettings, UnverifiedTypes};

pub use audience::{binds, bound_by, order_key, resolve};
pub use error::PublishError;
pub use payload::Payload;

/// An event as a producer hands it in, checked.
#[derive(Clone, Debug)]
pub struct Publication<'a> {
    /// What happened.
    pub event_type: EventType,
    /// What the catalogue says of the type.
    pub facts: &'a EventTypeFacts,
    /// What is told.
    pub payload: Payload,
    /// The tenant it happened in; `None` only for types that have none.
    pub tenant_key: Option<TenantKey>,
    /// The idempotency key, when the producer chose it.
    pub event_id: Option<EventId>,
    /// The one app it is for, when the producer named it.
    pub app_id: Option<AppId>,
    /// When it happened, when the producer said it.
    pub create_time: Option<TimestampMs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    event_type: EventType,
    #[serde(borrow)]
    event: &'a RawValue,
    tenant_key: Option<TenantKey>,
    event_id: Option<EventId>,
    app_id: Option<AppId>,
    create_time: Option<CreateTime>,
}

/// Milliseconds since 1970, as a number or as the string that event headers carry.
#[derive(Deserialize)]
#[serde(untagged)]
enum CreateTime {
    Number(i64),
    Text(String),
}

/// Types that belong to no tenant.
const TENANTLESS: [&str; 1] = ["app_ticket"];

impl<'a> Publication<'a> {
    /// Reads one publication and checks it against the catalogue.
    pub fn parse(
        json: &[u8],
        catalog: &'a Catalog,
        settings: &PublishSettings,
        unverified: UnverifiedTypes,
    ) -> Result<Self, PublishError> {
        if json.len() > settings.event_bytes_max {
            return Err(PublishError::TooLarge {
                bytes: json.len(),
                bytes_max: settings.event_bytes_max,
            });
        }
        let body: Body<'_> = serde_json::from_slice(json).map_err(PublishError::malformed)?;
        let Some(facts) = catalog.find(body.event_type.as_str()) else {
            if catalog.callback(body.event_type.as_str()).is_some() {
                let event_type = body.event_type;
                return Err(PublishError::IsCallback { event_type });
            }
            let suggestion = catalog.suggest(body.event_type.as_str()).map(str::to_owned);
            return Err(PublishError::UnknownType {
                event_type: body.event_type,
                suggestion,
            });
        };
        check_verified(&body.event_type, facts, unverified)?;
        if !facts.fits(body.event.get()) {
            let value = serde_json::from_str(body.event.get()).map_err(PublishError::malformed)?;
            check_payload(&body.event_type, facts, &value)?;
        }
        let tenant_key = if TENANTLESS.contains(&body.event_type.as_str()) {
            None
        } else {
            Some(
                body.tenant_key
                    .or_else(|| settings.default_tenant.clone())
                    .ok_or(PublishError::NoTenant)?,
            )
        };
        Ok(Self {
            event_type: body.event_type,
            facts,
            payload: Payload::new(body.event.get()),
            tenant_key,
            event_id: body.event_id,
            app_id: body.app_id,
            create_time: body.create_time.map(create_time).transpose()?,
        })
    }

    /// SHA-256 over everything the producer said besides the payload, by which, together with the payload, a repeated
    /// event id is told from a reused one.
    pub fn digest(&self) -> [u8; 32] {
        let tenant_key = self.tenant_key.as_ref().map_or("", TenantKey::as_str);
        let app_id = self.app_id.as_ref().map_or("", AppId::as_str);
        let create_time = self.create_time.map(|time| time.0.to_string()).unwrap_or_default();
        let parts = [self.event_type.as_str(), tenant_key, app_id, &create_time];
        // With their lengths, so that no two publications are the same text.
        let mut said = Vec::new();
        for part in parts {
            said.extend(part.len().to_le_bytes());
            said.extend(part.as_bytes());
        }
        sha256([&said[..]])
    }
}

/// Whether this type is taken.
pub(crate) fn check_verified(
    event_type: &EventType,
    facts: &EventTypeFacts,
    unverified: UnverifiedTypes,
) -> Result<(), PublishError> {
    if facts.unverified && unverified == UnverifiedTypes::Refuse {
        return Err(PublishError::Unverified {
            event_type: event_type.clone(),
        });
    }
    Ok(())
}

/// Whether a payload fits its type.
pub(crate) fn check_payload(
    event_type: &EventType,
    facts: &EventTypeFacts,
    payload: &serde_json::Value,
) -> Result<(), PublishError> {
    facts.validate(payload).map_err(|errors| PublishError::Payload {
        event_type: event_type.clone(),
        errors,
    })
}

fn create_time(given: CreateTime) -> Result<TimestampMs, PublishError> {
    match given {
        CreateTime::Number(ms) => Ok(TimestampMs(ms)),
        CreateTime::Text(text) => text
            .parse()
            .map(TimestampMs)
            .map_err(|_| PublishError::CreateTime { found: text }),
    }
}
