//! Claims about apps, bindings, resource subscriptions and tokens.

use larkspur_wire::TimestampMs;

use super::fixture::{accept, app, app_id, event, event_id};
use crate::{ApiToken, App, Binding, BindingKey, DeliveryQuery, DeliveryState, ResourceSubscription, Store, TokenRole};

/// An app comes back as it was.
pub async fn apps_are_kept_with_their_secrets(store: &dyn Store) {
    for n in [2, 1] {
        store.save_app(&app(n)).await.expect("saving works");
    }
    let changed = App {
        name: "renamed".to_owned(),
        published: None,
        ..app(2)
    };
    store.save_app(&changed).await.expect("saving works");
    assert_eq!(store.apps().await.expect("reading works"), [app(1), changed]);
}

/// Nothing is pushed to an app that is gone, and its log stays.
pub async fn deleting_an_app_ends_its_pending_deliveries(store: &dyn Store) {
    store.save_app(&app(1)).await.expect("saving works");
    let key = BindingKey {
        kind: "account".to_owned(),
        id: "7".to_owned(),
    };
    store
        .save_binding(&Binding {
            key: key.clone(),
            app_id: app_id(1),
        })
        .await
        .expect("saving works");
    let resource = ResourceSubscription {
        app_id: app_id(1),
        event_type: "drive.file.edit_v1".parse().expect("a valid event type"),
        resource: "*".to_owned(),
    };
    store.save_resource_subscription(&resource).await.expect("saving works");
    accept(store, vec![event(1, &[1, 2])]).await;
    assert!(store.delete_app(&app_id(1)).await.expect("deleting works"));
    assert!(!store.delete_app(&app_id(1)).await.expect("deleting works"));
    assert_eq!(store.apps().await.expect("reading works"), []);
    assert_eq!(store.binding(&key).await.expect("reading works"), None);
    assert_eq!(store.resource_subscriptions().await.expect("reading works"), []);
    let query = DeliveryQuery {
        event_id: Some(event_id(1)),
        limit: 10,
        ..DeliveryQuery::default()
    };
    let rows = store.deliveries(&query).await.expect("reading works").rows;
    let states: Vec<_> = rows.iter().map(|row| (row.app_id.clone(), row.state)).collect();
    assert_eq!(
        states,
        [(app_id(2), DeliveryState::Pending), (app_id(1), DeliveryState::Dead)]
    );
}

/// One thing is bound to one app.
pub async fn bindings_are_replaced_listed_and_removed(store: &dyn Store) {
    let binding = |kind: &str, id: &str, app: u8| Binding {
        key: BindingKey {
            kind: kind.to_owned(),
            id: id.to_owned(),
        },
        app_id: app_id(app),
    };
    for row in [
        binding("exam", "1", 1),
        binding("account", "2", 1),
        binding("account", "1", 1),
        binding("exam", "1", 2),
    ] {
        store.save_binding(&row).await.expect("saving works");
    }
    let all = [
        binding("account", "1", 1),
        binding("account", "2", 1),
        binding("exam", "1", 2),
    ];
    assert_eq!(store.bindings(None, 10).await.expect("reading works"), all);
    assert_eq!(
        store.bindings(Some(&all[0].key), 1).await.expect("reading works"),
        all[1..2]
    );
    assert_eq!(
        store.binding(&all[2].key).await.expect("reading works"),
        Some(app_id(2))
    );
    assert!(store.delete_binding(&all[2].key).await.expect("deleting works"));
    assert!(!store.delete_binding(&all[2].key).await.expect("deleting works"));
    assert_eq!(store.binding(&all[2].key).await.expect("reading works"), None);
}

/// Subscribing twice is subscribing once.
pub async fn resource_subscriptions_are_kept_once(store: &dyn Store) {
    let row = |resource: &str| ResourceSubscription {
        app_id: app_id(1),
        event_type: "drive.file.edit_v1".parse().expect("a valid event type"),
        resource: resource.to_owned(),
    };
    for resource in ["b", "a", "b"] {
        store
            .save_resource_subscription(&row(resource))
            .await
            .expect("saving works");
    }
    assert_eq!(
        store.resource_subscriptions().await.expect("reading works"),
        [row("a"), row("b")]
    );
    assert!(
        store
            .delete_resource_subscription(&row("a"))
            .await
            .expect("deleting works")
    );
    assert!(
        !store
            .delete_resource_subscription(&row("a"))
            .await
            .expect("deleting works")
    );
}

/// A token of the same name replaces the one before.
pub async fn tokens_are_kept_by_name(store: &dyn Store) {
    let token = |name: &str, digest: u8, role| ApiToken {
        name: name.to_owned(),
        digest: [digest; 32],
        role,
        created_at: TimestampMs(3),
    };
    for row in [
        token("b", 1, TokenRole::Admin),
        token("a", 2, TokenRole::Publish),
        token("b", 3, TokenRole::Publish),
    ] {
        store.save_token(&row).await.expect("saving works");
    }
    let all = [token("a", 2, TokenRole::Publish), token("b", 3, TokenRole::Publish)];
    assert_eq!(store.tokens().await.expect("reading works"), all);
    assert!(store.delete_token("a").await.expect("deleting works"));
    assert!(!store.delete_token("a").await.expect("deleting works"));
}

/// A token says who its bearer is, so it has one name.
pub async fn two_tokens_never_share_a_digest(store: &dyn Store) {
    let token = |name: &str| ApiToken {
        name: name.to_owned(),
        digest: [1; 32],
        role: TokenRole::Admin,
        created_at: TimestampMs(3),
    };
    store.save_token(&token("a")).await.expect("saving works");
    let refused = store.save_token(&token("b")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.tokens().await.expect("reading works"), [token("a")]);
}
