//! Apps, bindings, resource subscriptions, tokens.

use std::sync::Arc;

use async_trait::async_trait;
use larkspur_store::{
    ApiToken, App, Binding, BindingKey, LIMIT_MAX, Registry, ResourceSubscription, StoreError, TokenRole,
};
use larkspur_wire::{AppId, TimestampMs};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::damage::Damaged;
use crate::queue::look_at;
use crate::row::{DEAD, corrupt, parsed, read_app, read_delivery_id, write_app};
use crate::write::execute;
use crate::{SqliteStore, failed};

// By the primary key.
const APPS: &str = "SELECT body FROM app ORDER BY id";
const SAVE_APP: &str = "INSERT INTO app (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
const DELETE_APP: &str = "DELETE FROM app WHERE id = ?1";
// Scans: apps are deleted rarely, and bindings of one app are not asked for elsewhere.
const DELETE_APP_BINDINGS: &str = "DELETE FROM binding WHERE app_id = ?1";
const DELETE_APP_RESOURCES: &str = "DELETE FROM resource_subscription WHERE app_id = ?1";
// By delivery_due, which has no fresh leases.
pub(crate) const PENDING_OF_APP: &str =
    "SELECT id FROM delivery WHERE state = 0 AND leased < 2 AND app_id = ?1 LIMIT ?2";
// By the primary key.
pub(crate) const END_DELIVERY: &str = "UPDATE delivery SET state = ?2, leased = 0 WHERE id = ?1";

/// So many deliveries of an app that is deleted are given up in one transaction, so that others need not wait for a
/// million.
const END_STEP: u32 = 500;

// By the primary key.
pub(crate) const BINDING: &str = "SELECT app_id FROM binding WHERE kind = ?1 AND id = ?2";
pub(crate) const BINDINGS: &str =
    "SELECT kind, id, app_id FROM binding WHERE (kind, id) > (?1, ?2) ORDER BY kind, id LIMIT ?3";
pub(crate) const SAVE_BINDING: &str = "INSERT INTO binding (kind, id, app_id) VALUES (?1, ?2, ?3) \
     ON CONFLICT (kind, id) DO UPDATE SET app_id = excluded.app_id";
const DELETE_BINDING: &str = "DELETE FROM binding WHERE kind = ?1 AND id = ?2";

// By the primary key.
const RESOURCES: &str =
    "SELECT app_id, event_type, resource FROM resource_subscription ORDER BY app_id, event_type, resource";
const SAVE_RESOURCE: &str = "INSERT OR IGNORE INTO resource_subscription (app_id, event_type, resource) \
     VALUES (?1, ?2, ?3)";
const DELETE_RESOURCE: &str =
    "DELETE FROM resource_subscription WHERE app_id = ?1 AND event_type = ?2 AND resource = ?3";

// By the primary key.
const TOKENS: &str = "SELECT name, digest, role, created_at FROM token ORDER BY name";
const SAVE_TOKEN: &str = "INSERT INTO token (name, digest, role, created_at) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, role = excluded.role, created_at = excluded.created_at";
const DELETE_TOKEN: &str = "DELETE FROM token WHERE name = ?1";

/// Reads all rows of a query.
pub(crate) fn all<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let mut rows = statement.query(params).map_err(failed(doing))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed(doing))? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read_token(row: &Row<'_>) -> Result<ApiToken, StoreError> {
    const WHAT: &str = "token";
    let role: String = row.get(2).map_err(|error| corrupt(WHAT, &error))?;
    Ok(ApiToken {
        name: row.get(0).map_err(|error| corrupt(WHAT, &error))?,
        digest: row.get(1).map_err(|error| corrupt(WHAT, &error))?,
        role: match role.as_str() {
            "admin" => TokenRole::Admin,
            "publish" => TokenRole::Publish,
            "metrics" => TokenRole::Metrics,
            other => return Err(corrupt(WHAT, &other)),
        },
        created_at: TimestampMs(row.get(3).map_err(|error| corrupt(WHAT, &error))?),
    })
}

fn read_binding(row: &Row<'_>) -> Result<Binding, StoreError> {
    Ok(Binding {
        key: BindingKey {
            kind: parsed(row, 0, "binding")?,
            id: parsed(row, 1, "binding")?,
        },
        app_id: parsed(row, 2, "binding")?,
    })
}

/// Gives up some of what waits for an app that was deleted. Answers how many those are.
fn end_deliveries(tx: &Transaction<'_>, damaged: &Damaged, app_id: &AppId) -> Result<usize, StoreError> {
    const DOING: &str = "give up deliveries";
    let limit = END_STEP + damaged.deliveries();
    let read = |row: &Row<'_>| read_delivery_id(row, 0);
    let pending = all(tx, DOING, PENDING_OF_APP, params![app_id.as_str(), limit], read)?;
    let mut n_ended = 0;
    for id in pending.iter().filter(|id| !damaged.has(**id)).take(END_STEP as usize) {
        execute(tx, DOING, END_DELIVERY, params![id.0.to_be_bytes(), DEAD]).inspect_err(|error| {
            damaged.note(*id, error);
            damaged.look_over(pending.iter().copied(), |id| look_at(tx, id));
        })?;
        n_ended += 1;
    }
    Ok(n_ended)
}

#[async_trait]
impl Registry for SqliteStore {
    async fn apps(&self) -> Result<Vec<App>, StoreError> {
        let read = |row: &Row<'_>| read_app(&parsed::<String>(row, 0, "app")?);
        self.readers
            .read(move |connection| all(connection, "read the apps", APPS, [], read))
            .await
    }

    async fn save_app(&self, app: &App) -> Result<(), StoreError> {
        const DOING: &str = "save an app";
        let (id, body) = (app.id.clone(), write_app(app));
        self.writer
            .write(DOING, move |tx| {
                execute(tx, DOING, SAVE_APP, params![id.as_str(), body]).map(drop)
            })
            .await
    }

    async fn delete_app(&self, id: &AppId) -> Result<bool, StoreError> {
        const DOING: &str = "delete an app";
        let app_id = id.clone();
        let delete = move |tx: &Transaction<'_>| {
            execute(tx, DOING, DELETE_APP_BINDINGS, [app_id.as_str()])?;
            execute(tx, DOING, DELETE_APP_RESOURCES, [app_id.as_str()])?;
            execute(tx, DOING, DELETE_APP, [app_id.as_str()]).map(|rows| rows > 0)
        };
        let deleted = self.writer.write(DOING, delete).await?;
        // What a crash leaves of these is claimed, and given up because there is no such app.
        let make = || {
            let (app_id, fresh, damaged) = (id.clone(), Arc::clone(&self.fresh), Arc::clone(&self.damaged));
            move |tx: &Transaction<'_>| {
                fresh.gather(tx, &damaged)?;
                end_deliveries(tx, &damaged, &app_id)
            }
        };
        while self.write_past_damage(DOING, make).await? == END_STEP as usize {}
        Ok(deleted)
    }

    async fn binding(&self, key: &BindingKey) -> Result<Option<AppId>, StoreError> {
        const DOING: &str = "read a binding";
        let key = key.clone();
        let query = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(BINDING).map_err(failed(DOING))?;
            let found = statement.query_row(params![key.kind, key.id], |row| row.get::<_, String>(0));
            let found = found.optional().map_err(failed(DOING))?;
            found
                .map(|text| text.parse().map_err(|error| corrupt("binding", &error)))
                .transpose()
        };
        self.readers.read(query).await
    }

    async fn bindings(&self, after: Option<&BindingKey>, limit: u32) -> Result<Vec<Binding>, StoreError> {
        let limit = limit.min(LIMIT_MAX + 1);
        let (kind, id) = after.map(|key| (key.kind.clone(), key.id.clone())).unwrap_or_default();
        let query = move |connection: &Connection| {
            all(
                connection,
                "read the bindings",
                BINDINGS,
                params![kind, id, limit],
                read_binding,
            )
        };
        self.readers.read(query).await
    }

    async fn save_binding(&self, binding: &Binding) -> Result<(), StoreError> {
        const DOING: &str = "save a binding";
        let Binding { key, app_id } = binding.clone();
        let save = move |tx: &Transaction<'_>| {
            execute(tx, DOING, SAVE_BINDING, params![key.kind, key.id, app_id.as_str()]).map(drop)
        };
        self.writer.write(DOING, save).await
    }

    async fn delete_binding(&self, key: &BindingKey) -> Result<bool, StoreError> {
        const DOING: &str = "delete a binding";
        let key = key.clone();
        let delete = move |tx: &Transaction<'_>| {
            execute(tx, DOING, DELETE_BINDING, params![key.kind, key.id]).map(|rows| rows > 0)
        };
        self.writer.write(DOING, delete).await
    }

    async fn resource_subscriptions(&self) -> Result<Vec<ResourceSubscription>, StoreError> {
        const WHAT: &str = "resource subscription";
        let read = |row: &Row<'_>| {
            Ok(ResourceSubscription {
                app_id: parsed(row, 0, WHAT)?,
                event_type: parsed(row, 1, WHAT)?,
                resource: parsed(row, 2, WHAT)?,
            })
        };
        let query =
            move |connection: &Connection| all(connection, "read the resource subscriptions", RESOURCES, [], read);
        self.readers.read(query).await
    }

    async fn save_resource_subscription(&self, row: &ResourceSubscription) -> Result<(), StoreError> {
        const DOING: &str = "save a resource subscription";
        let row = row.clone();
        let save = move |tx: &Transaction<'_>| {
            let params = params![row.app_id.as_str(), row.event_type.as_str(), row.resource];
            execute(tx, DOING, SAVE_RESOURCE, params).map(drop)
        };
        self.writer.write(DOING, save).await
    }

    async fn delete_resource_subscription(&self, row: &ResourceSubscription) -> Result<bool, StoreError> {
        const DOING: &str = "delete a resource subscription";
        let row = row.clone();
        let delete = move |tx: &Transaction<'_>| {
            let params = params![row.app_id.as_str(), row.event_type.as_str(), row.resource];
            execute(tx, DOING, DELETE_RESOURCE, params).map(|rows| rows > 0)
        };
        self.writer.write(DOING, delete).await
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.readers
            .read(|connection| all(connection, "read the tokens", TOKENS, [], read_token))
            .await
    }

    async fn save_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        const DOING: &str = "save a token";
        let token = token.clone();
        let save = move |tx: &Transaction<'_>| {
            let role = match token.role {
                TokenRole::Admin => "admin",
                TokenRole::Publish => "publish",
                TokenRole::Metrics => "metrics",
            };
            execute(
                tx,
                DOING,
                SAVE_TOKEN,
                params![token.name, token.digest, role, token.created_at.0],
            )
            .map(drop)
        };
        self.writer.write(DOING, save).await
    }

    async fn delete_token(&self, name: &str) -> Result<bool, StoreError> {
        const DOING: &str = "delete a token";
        let name = name.to_owned();
        self.writer
            .write(DOING, move |tx| {
                execute(tx, DOING, DELETE_TOKEN, [&name]).map(|rows| rows > 0)
            })
            .await
    }
}
