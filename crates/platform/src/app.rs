//! The rules of managing an app: what it may hold, subscribe to and choose.
//!
//! A change edits the draft; publishing a version puts the draft in force. The request URLs take effect at once, as
//! in Feishu. See <https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscriptions>.

mod error;
mod subscribe;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use larkspur_catalog::Catalog;
use larkspur_store::{App, AppConfig, AppDelivery, AppKind, AppVersion, Mode};
use larkspur_wire::{AppId, EventType, Scope, Secret, TenantKey, TimestampMs};

use crate::credentials::Entropy;
use crate::settings::UnverifiedTypes;

pub use error::AppError;

/// An app to make.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// Custom or store.
    pub kind: AppKind,
    /// Its id; minted when absent.
    pub id: Option<AppId>,
    /// Everything that can be changed later as well; here the name is required.
    pub config: AppChange,
}

/// What to change in an app; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct AppChange {
    /// A name for people, 1 to 100 characters.
    pub name: Option<String>,
    /// Replaces the tenants that have it installed; a custom app has at most one.
    pub tenants: Option<BTreeSet<TenantKey>>,
    /// Replaces the scopes.
    pub scopes: Option<Selection<Scope>>,
    /// Changes the event subscriptions.
    pub events: SubscriptionChange,
    /// Changes the callback subscriptions.
    pub callbacks: SubscriptionChange,
    /// Changes how its events are pushed; takes effect at once.
    pub delivery: DeliveryChange,
    /// Replaces the App Secret.
    pub app_secret: Option<SecretChange>,
    /// Replaces the Verification Token.
    pub verification_token: Option<SecretChange>,
    /// Replaces the Encrypt Key; an empty one ends encryption.
    pub encrypt_key: Option<SecretChange>,
    /// Whether its URLs may lead into private address ranges.
    pub allow_private_addresses: Option<bool>,
}

/// What to change in how an app's events are pushed; what is `None` stays, and `Some(None)` goes back to what the
/// platform's settings say.
#[derive(Clone, Debug, Default)]
pub struct DeliveryChange {
    /// Whether nothing is pushed for now.
    pub paused: Option<bool>,
    /// How many events may be on their way to it at once.
    pub in_flight_max: Option<Option<NonZeroU32>>,
    /// How many pushes may begin in a second.
    pub per_second_max: Option<Option<NonZeroU32>>,
    /// Seconds to wait before each retry, at most 32 of them.
    pub retry_seconds: Option<Option<Vec<u64>>>,
}

/// A new value for one of an app's secrets.
#[derive(Clone, Debug)]
pub enum SecretChange {
    /// A random one.
    Reset,
    /// This one.
    To(Secret),
}

/// Changes to the subscriptions of one kind, events or callbacks.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionChange {
    /// The mode.
    pub mode: Option<Mode>,
    /// The request URL; `Some(None)` removes it.
    pub url: Option<Option<String>>,
    /// Replaces the types.
    pub types: Option<Selection<EventType>>,
}

/// Everything that is allowed, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    /// All that an app of this kind may have.
    All,
    /// These.
    These(BTreeSet<T>),
}

/// What the rules look things up in.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The event types and scopes that exist.
    pub catalog: &'a Catalog,
    /// Whether unconfirmed types may be subscribed.
    pub unverified_types: UnverifiedTypes,
}

/// The most tenants a store app can be installed in.
const TENANTS_MAX: usize = 10_000;
/// Feishu allows Encrypt Keys and Verification Tokens of up to 32 characters.
const KEY_CHARS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 100;
const RETRIES_MAX: usize = 32;
const APP_SECRET_CHARS_MAX: usize = 128;

/// Makes an app; nothing of it is in force before a version is published.
pub fn create(rules: Rules<'_>, new: NewApp, entropy: &Entropy, now: TimestampMs) -> Result<App, AppError> {
    if new.config.name.is_none() {
        return Err(AppError::Name { chars: 0 });
    }
    let app = App {
        id: new.id.unwrap_or_else(|| entropy.app_id()),
        name: String::new(),
        kind: new.kind,
        app_secret: entropy.app_secret(),
        verification_token: entropy.verification_token(),
        encrypt_key: Secret::default(),
        tenants: BTreeSet::new(),
        event_url: None,
        callback_url: None,
        delivery: AppDelivery::default(),
        allow_private_addresses: false,
        draft: AppConfig::default(),
        published: None,
        created_at: now,
    };
    change(rules, &app, new.config, entropy)
}

/// The app as the change would leave it.
pub fn change(rules: Rules<'_>, app: &App, change: AppChange, entropy: &Entropy) -> Result<App, AppError> {
    let mut app = app.clone();
    if let Some(name) = change.name {
        app.name = name_of(name)?;
    }
    if let Some(tenants) = change.tenants {
        app.tenants = tenants_of(app.kind, tenants)?;
    }
    if let Some(scopes) = change.scopes {
        app.draft.scopes = subscribe::scopes(rules, app.kind, scopes)?;
    }
    let held = app.draft.scopes.clone();
    let events = change.events;
    if let Some(mode) = events.mode {
        app.draft.events.mode = mode_of(app.kind, mode, "events.mode")?;
    }
    if let Some(types) = events.types {
        app.draft.events.types = subscribe::event_types(rules, app.kind, &held, &app.draft.events.types, types)?;
    }
    let callbacks = change.callbacks;
    if let Some(mode) = callbacks.mode {
        app.draft.callbacks.mode = mode_of(app.kind, mode, "callbacks.mode")?;
    }
    if let Some(types) = callbacks.types {
        app.draft.callbacks.types = subscribe::callbacks(rules, app.kind, types)?;
    }
    if let Some(url) = events.url {
        app.event_url = url;
    }
    if let Some(url) = callbacks.url {
        app.callback_url = url;
    }
    app.delivery = delivery_of(app.delivery, change.delivery)?;
    if let Some(allow) = change.allow_private_addresses {
        app.allow_private_addresses = allow;
    }
    secrets(
        &mut app,
        change.app_secret,
        change.verification_token,
        change.encrypt_key,
        entropy,
    )?;
    Ok(app)
}

/// The app with its draft in force.
pub fn publish(app: &App, now: TimestampMs) -> App {
    let number = app
        .published
        .as_ref()
        .map_or(1, |version| version.number.saturating_add(1));
    App {
        published: Some(AppVersion {
            number,
            published_at: now,
            config: app.draft.clone(),
        }),
        ..app.clone()
    }
}

fn secrets(
    app: &mut App,
    app_secret: Option<SecretChange>,
    verification_token: Option<SecretChange>,
    encrypt_key: Option<SecretChange>,
    entropy: &Entropy,
) -> Result<(), AppError> {
    match app_secret {
        Some(SecretChange::Reset) => app.app_secret = entropy.app_secret(),
        Some(SecretChange::To(secret)) => app.app_secret = sized("app_secret", secret, 1, APP_SECRET_CHARS_MAX)?,
        None => {}
    }
    match verification_token {
        Some(SecretChange::Reset) => app.verification_token = entropy.verification_token(),
        Some(SecretChange::To(token)) => app.verification_token = sized("verification_token", token, 1, KEY_CHARS_MAX)?,
        None => {}
    }
    match encrypt_key {
        Some(SecretChange::Reset) => app.encrypt_key = entropy.encrypt_key(),
        Some(SecretChange::To(key)) => app.encrypt_key = sized("encrypt_key", key, 0, KEY_CHARS_MAX)?,
        None => {}
    }
    Ok(())
}

fn sized(member: &'static str, secret: Secret, chars_min: usize, chars_max: usize) -> Result<Secret, AppError> {
    let chars = secret.expose().chars().count();
    if (chars_min..=chars_max).contains(&chars) {
        return Ok(secret);
    }
    Err(AppError::SecretLength {
        member,
        chars,
        chars_min,
        chars_max,
    })
}

fn delivery_of(delivery: AppDelivery, change: DeliveryChange) -> Result<AppDelivery, AppError> {
    let retry_seconds = change.retry_seconds.unwrap_or(delivery.retry_seconds);
    if let Some(found) = retry_seconds.as_ref().map(Vec::len).filter(|len| *len > RETRIES_MAX) {
        return Err(AppError::Retries {
            found,
            retries_max: RETRIES_MAX,
        });
    }
    Ok(AppDelivery {
        paused: change.paused.unwrap_or(delivery.paused),
        in_flight_max: change.in_flight_max.unwrap_or(delivery.in_flight_max),
        per_second_max: change.per_second_max.unwrap_or(delivery.per_second_max),
        retry_seconds,
    })
}

fn name_of(name: String) -> Result<String, AppError> {
    let chars = name.trim().chars().count();
    if (1..=NAME_CHARS_MAX).contains(&chars) {
        Ok(name)
    } else {
        Err(AppError::Name { chars })
    }
}

fn tenants_of(kind: AppKind, tenants: BTreeSet<TenantKey>) -> Result<BTreeSet<TenantKey>, AppError> {
    let tenants_max = match kind {
        AppKind::Custom => 1,
        AppKind::Store => TENANTS_MAX,
    };
    if tenants.len() > tenants_max {
        return Err(AppError::Tenants {
            found: tenants.len(),
            tenants_max,
        });
    }
    Ok(tenants)
}

fn mode_of(kind: AppKind, mode: Mode, path: &'static str) -> Result<Mode, AppError> {
    match (kind, mode) {
        (AppKind::Store, Mode::Websocket) => Err(AppError::StoreAppConnection { path }),
        _ => Ok(mode),
    }
}
