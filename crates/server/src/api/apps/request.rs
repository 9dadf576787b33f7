//! What can be said of an app: when it is made, and later to change it.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use larkspur_platform::{AppChange, DeliveryChange, NewApp, SecretChange, Selection, SubscriptionChange};
use larkspur_wire::{AppId, EventType, Scope, Secret, TenantKey};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::word::{Kind, PushMode};

/// An app to make. What is left out starts empty; the Verification Token and the App Secret are minted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppCreate {
    /// A name for people, 1 to 100 characters.
    name: String,
    /// Custom or store; cannot be changed later.
    kind: Kind,
    /// An id of your own; minted when left out.
    #[schema(value_type = Option<String>, example = "cli_9f5343c580712544")]
    app_id: Option<AppId>,
    /// Tenants that have it installed; a custom app has at most one.
    #[schema(value_type = Option<Vec<String>>)]
    tenants: Option<BTreeSet<TenantKey>>,
    /// Scopes the app holds.
    #[schema(value_type = Option<AllOrNames>)]
    scopes: Option<Choice<Scope>>,
    /// Event subscriptions.
    #[serde(default)]
    events: SubscriptionPatch,
    /// Callback subscriptions.
    #[serde(default)]
    callbacks: SubscriptionPatch,
    /// How its events are pushed, where that differs from the platform's settings; takes effect at once.
    #[serde(default)]
    delivery: DeliveryPatch,
    /// An App Secret of your own.
    #[schema(value_type = Option<String>)]
    app_secret: Option<Secret>,
    /// A Verification Token of your own.
    #[schema(value_type = Option<String>)]
    verification_token: Option<Secret>,
    /// An Encrypt Key of your own; empty, as when left out, means that webhooks travel in the clear.
    #[schema(value_type = Option<String>)]
    encrypt_key: Option<Secret>,
    /// Secrets to draw at random; here only the Encrypt Key needs it.
    #[serde(default)]
    reset: Vec<SecretName>,
    /// Whether its URLs may lead into private address ranges.
    allow_private_addresses: Option<bool>,
}

/// Changes to an app. What is left out stays; lists replace what was there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppPatch {
    /// A name for people, 1 to 100 characters.
    name: Option<String>,
    /// Tenants that have it installed; a custom app has at most one.
    #[schema(value_type = Option<Vec<String>>)]
    tenants: Option<BTreeSet<TenantKey>>,
    /// Scopes the app holds.
    #[schema(value_type = Option<AllOrNames>)]
    scopes: Option<Choice<Scope>>,
    /// Event subscriptions.
    #[serde(default)]
    events: SubscriptionPatch,
    /// Callback subscriptions.
    #[serde(default)]
    callbacks: SubscriptionPatch,
    /// How its events are pushed, where that differs from the platform's settings; takes effect at once.
    #[serde(default)]
    delivery: DeliveryPatch,
    /// A new App Secret; ends every token and ticket made with the old one.
    #[schema(value_type = Option<String>)]
    app_secret: Option<Secret>,
    /// A new Verification Token.
    #[schema(value_type = Option<String>)]
    verification_token: Option<Secret>,
    /// A new Encrypt Key; an empty one ends encryption.
    #[schema(value_type = Option<String>)]
    encrypt_key: Option<Secret>,
    /// Secrets to draw anew at random.
    #[serde(default)]
    reset: Vec<SecretName>,
    /// Whether its URLs may lead into private address ranges.
    allow_private_addresses: Option<bool>,
}

/// Changes to the subscriptions of one kind.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriptionPatch {
    /// How they are pushed; takes effect when a version is published.
    mode: Option<PushMode>,
    /// The request URL, which must pass the challenge and takes effect at once; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "left out, removed and set are three answers")]
    url: Option<Option<String>>,
    /// The types; take effect when a version is published.
    #[schema(value_type = Option<AllOrNames>)]
    types: Option<Choice<EventType>>,
}

/// How one app's events are pushed. What is left out stays; `null` goes back to what the platform's settings say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryPatch {
    /// Whether nothing is pushed for now; what is published waits.
    paused: Option<bool>,
    /// At most this many events are on their way to it at once.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    #[expect(clippy::option_option, reason = "left out, removed and set are three answers")]
    in_flight_max: Option<Option<NonZeroU32>>,
    /// At most this many pushes begin in a second.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    #[expect(clippy::option_option, reason = "left out, removed and set are three answers")]
    per_second_max: Option<Option<NonZeroU32>>,
    /// Seconds to wait before each retry, at most 32 of them; the delivery is dead after the last.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<u64>>)]
    #[expect(clippy::option_option, reason = "left out, removed and set are three answers")]
    retry_seconds: Option<Option<Vec<u64>>>,
}

/// One of an app's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretName {
    /// Proves that a client speaks for the app.
    AppSecret,
    /// Travels in every header.
    VerificationToken,
    /// Seals and signs webhooks.
    EncryptKey,
}

/// `"all"` that an app of this kind may have, or a list.
#[derive(Debug)]
pub(crate) struct Choice<T>(Selection<T>);

impl AppCreate {
    /// What the platform is asked to do.
    pub(super) fn into_new_app(self) -> NewApp {
        let config = AppChange {
            name: Some(self.name),
            tenants: self.tenants,
            scopes: self.scopes.map(|choice| choice.0),
            events: self.events.into_change(),
            callbacks: self.callbacks.into_change(),
            delivery: self.delivery.into_change(),
            app_secret: secret(self.app_secret, &self.reset, SecretName::AppSecret),
            verification_token: secret(self.verification_token, &self.reset, SecretName::VerificationToken),
            encrypt_key: secret(self.encrypt_key, &self.reset, SecretName::EncryptKey),
            allow_private_addresses: self.allow_private_addresses,
        };
        NewApp {
            kind: self.kind.into(),
            id: self.app_id,
            config,
        }
    }
}

impl AppPatch {
    /// What the platform is asked to do.
    pub(super) fn into_change(self) -> AppChange {
        AppChange {
            name: self.name,
            tenants: self.tenants,
            scopes: self.scopes.map(|choice| choice.0),
            events: self.events.into_change(),
            callbacks: self.callbacks.into_change(),
            delivery: self.delivery.into_change(),
            app_secret: secret(self.app_secret, &self.reset, SecretName::AppSecret),
            verification_token: secret(self.verification_token, &self.reset, SecretName::VerificationToken),
            encrypt_key: secret(self.encrypt_key, &self.reset, SecretName::EncryptKey),
            allow_private_addresses: self.allow_private_addresses,
        }
    }
}

impl SubscriptionPatch {
    fn into_change(self) -> SubscriptionChange {
        SubscriptionChange {
            mode: self.mode.map(Into::into),
            url: self.url,
            types: self.types.map(|choice| choice.0),
        }
    }
}

impl DeliveryPatch {
    fn into_change(self) -> DeliveryChange {
        DeliveryChange {
            paused: self.paused,
            in_flight_max: self.in_flight_max,
            per_second_max: self.per_second_max,
            retry_seconds: self.retry_seconds,
        }
    }
}

/// A given value wins over a reset.
fn secret(given: Option<Secret>, reset: &[SecretName], name: SecretName) -> Option<SecretChange> {
    match given {
        Some(secret) => Some(SecretChange::To(secret)),
        None => reset.contains(&name).then_some(SecretChange::Reset),
    }
}

/// Tells a `null` from a member that is not there.
#[expect(clippy::option_option, reason = "left out, removed and set are three answers")]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrList<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Ord> Visitor<'de> for AllOrList<T> {
            type Value = Choice<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`\"all\"` or a list of names")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "all" => Ok(Choice(Selection::All)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                BTreeSet::deserialize(SeqAccessDeserializer::new(items)).map(|set| Choice(Selection::These(set)))
            }
        }

        deserializer.deserialize_any(AllOrList(PhantomData))
    }
}

/// How a [`Choice`] is described.
pub(crate) struct AllOrNames;

impl PartialSchema for AllOrNames {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let all = text().enum_values(Some(["all"]));
        let names = ArrayBuilder::new().items(text());
        let description = "`\"all\"` that an app of this kind may have, or a list of names.";
        OneOfBuilder::new()
            .item(all)
            .item(names)
            .description(Some(description))
            .into()
    }
}

impl ToSchema for AllOrNames {}
