//! Rows as they are stored, and back.

use std::collections::BTreeSet;
use std::time::Duration;

use larkspur_store::{
    App, AppConfig, AppDelivery, AppKind, AppVersion, Attempt, Delivery, DeliveryId, DeliveryState, EventRow, Mode,
    StoreError,
};
use larkspur_wire::{AppId, EventId, TenantKey, TimestampMs};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// An app as JSON; members are added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct StoredApp {
    id: AppId,
    name: String,
    kind: AppKind,
    app_secret: String,
    verification_token: String,
    encrypt_key: String,
    tenants: BTreeSet<TenantKey>,
    event_url: Option<String>,
    callback_url: Option<String>,
    #[serde(default)]
    delivery: AppDelivery,
    allow_private_addresses: bool,
    draft: AppConfig,
    published: Option<AppVersion>,
    created_at: TimestampMs,
}

pub(crate) fn write_app(app: &App) -> String {
    let stored = StoredApp {
        id: app.id.clone(),
        name: app.name.clone(),
        kind: app.kind,
        app_secret: app.app_secret.expose().to_owned(),
        verification_token: app.verification_token.expose().to_owned(),
        encrypt_key: app.encrypt_key.expose().to_owned(),
        tenants: app.tenants.clone(),
        event_url: app.event_url.clone(),
        callback_url: app.callback_url.clone(),
        delivery: app.delivery.clone(),
        allow_private_addresses: app.allow_private_addresses,
        draft: app.draft.clone(),
        published: app.published.clone(),
        created_at: app.created_at,
    };
    serde_json::to_string(&stored).expect("strings, sets and numbers are JSON")
}

pub(crate) fn read_app(json: &str) -> Result<App, StoreError> {
    let stored: StoredApp = serde_json::from_str(json).map_err(|error| corrupt("app", &error))?;
    Ok(App {
        id: stored.id,
        name: stored.name,
        kind: stored.kind,
        app_secret: stored.app_secret.into(),
        verification_token: stored.verification_token.into(),
        encrypt_key: stored.encrypt_key.into(),
        tenants: stored.tenants,
        event_url: stored.event_url,
        callback_url: stored.callback_url,
        delivery: stored.delivery,
        allow_private_addresses: stored.allow_private_addresses,
        draft: stored.draft,
        published: stored.published,
        created_at: stored.created_at,
    })
}

/// A stored value that does not fit its type.
pub(crate) fn corrupt(what: &'static str, found: &dyn ToString) -> StoreError {
    StoreError::Corrupt {
        what,
        found: found.to_string(),
    }
}

/// Reads a column as text of some type.
pub(crate) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize, what: &'static str) -> Result<T, StoreError>
where
    T::Err: ToString,
{
    let text: String = row.get(column).map_err(|error| corrupt(what, &error))?;
    text.parse().map_err(|error: T::Err| corrupt(what, &error))
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, column: usize, what: &'static str) -> Result<T, StoreError> {
    row.get(column).map_err(|error| corrupt(what, &error))
}

/// The columns that [`read_event`] reads, from `event AS e`.
pub(crate) const EVENT_COLUMNS: &str = "e.id, e.event_type, e.tenant_key, e.create_time, e.accepted_at, e.payload";

/// How many they are.
pub(crate) const EVENT_COLUMNS_LEN: usize = 6;

/// Reads an event from columns that start at `at`.
pub(crate) fn read_event(row: &Row<'_>, at: usize) -> Result<EventRow, StoreError> {
    const WHAT: &str = "event";
    let tenant_key: Option<String> = column(row, at + 2, WHAT)?;
    Ok(EventRow {
        id: parsed(row, at, WHAT)?,
        event_type: parsed(row, at + 1, WHAT)?,
        tenant_key: tenant_key
            .map(|text| text.parse().map_err(|error| corrupt(WHAT, &error)))
            .transpose()?,
        create_time: TimestampMs(column(row, at + 3, WHAT)?),
        accepted_at: TimestampMs(column(row, at + 4, WHAT)?),
        payload: column::<Vec<u8>>(row, at + 5, WHAT)?.into(),
    })
}

/// The columns that [`read_delivery`] reads, from `delivery AS d` and `event AS e`.
pub(crate) const DELIVERY_COLUMNS: &str =
    "d.id, e.id, d.app_id, d.withheld, d.state, d.attempts, d.due_at, d.generation, d.order_key IS NOT NULL";
/// How many they are.
pub(crate) const DELIVERY_COLUMNS_LEN: usize = 9;

pub(crate) fn read_delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    read_delivery_at(row, 0)
}

/// Reads a delivery from columns that start at `at`.
pub(crate) fn read_delivery_at(row: &Row<'_>, at: usize) -> Result<Delivery, StoreError> {
    const WHAT: &str = "delivery";
    Ok(Delivery {
        id: read_delivery_id(row, at)?,
        event_id: parsed::<EventId>(row, at + 1, WHAT)?,
        app_id: parsed(row, at + 2, WHAT)?,
        withheld: read_withheld(column::<Option<String>>(row, at + 3, WHAT)?.as_deref())?,
        state: match column::<i64>(row, at + 4, WHAT)? {
            PENDING => DeliveryState::Pending,
            DELIVERED => DeliveryState::Delivered,
            DEAD => DeliveryState::Dead,
            other => return Err(corrupt(WHAT, &other)),
        },
        attempts: column(row, at + 5, WHAT)?,
        due_at: TimestampMs(column(row, at + 6, WHAT)?),
        generation: column(row, at + 7, WHAT)?,
        in_order: column(row, at + 8, WHAT)?,
    })
}

pub(crate) const PENDING: i64 = 0;
pub(crate) const DELIVERED: i64 = 1;
pub(crate) const DEAD: i64 = 2;

pub(crate) fn state_number(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Pending => PENDING,
        DeliveryState::Delivered => DELIVERED,
        DeliveryState::Dead => DEAD,
    }
}

pub(crate) fn read_delivery_id(row: &Row<'_>, at: usize) -> Result<DeliveryId, StoreError> {
    Ok(DeliveryId(u128::from_be_bytes(column(row, at, "delivery")?)))
}

/// No withheld fields is the rule, and takes no space.
pub(crate) fn write_withheld(paths: &[String]) -> Option<String> {
    (!paths.is_empty()).then(|| serde_json::to_string(paths).expect("strings are JSON"))
}

pub(crate) fn read_withheld(json: Option<&str>) -> Result<Vec<String>, StoreError> {
    json.map_or_else(
        || Ok(Vec::new()),
        |json| serde_json::from_str(json).map_err(|error| corrupt("delivery", &error)),
    )
}

pub(crate) fn write_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Webhook => "webhook",
        Mode::Websocket => "websocket",
    }
}

/// The columns that [`read_attempt`] reads, from `attempt AS a`.
pub(crate) const ATTEMPT_COLUMNS: &str =
    "a.number, a.started_at, a.mode, a.target, a.code, a.took_us, a.answer, a.error";
/// How many they are.
pub(crate) const ATTEMPT_COLUMNS_LEN: usize = 8;

/// Reads an attempt from columns that start at `at`.
pub(crate) fn read_attempt(row: &Row<'_>, at: usize) -> Result<Attempt, StoreError> {
    const WHAT: &str = "attempt";
    Ok(Attempt {
        number: column(row, at, WHAT)?,
        started_at: TimestampMs(column(row, at + 1, WHAT)?),
        mode: match column::<String>(row, at + 2, WHAT)?.as_str() {
            "webhook" => Mode::Webhook,
            "websocket" => Mode::Websocket,
            other => return Err(corrupt(WHAT, &other)),
        },
        target: column(row, at + 3, WHAT)?,
        code: column(row, at + 4, WHAT)?,
        took: Duration::from_micros(column::<i64>(row, at + 5, WHAT)?.unsigned_abs()),
        answer: column::<Vec<u8>>(row, at + 6, WHAT)?.into(),
        error: column(row, at + 7, WHAT)?,
    })
}
