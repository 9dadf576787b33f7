//! What can be set: schedules, limits, and the assumptions where Feishu's behaviour is not documented.
//!
//! Every value has a default that fits Feishu, so that an empty configuration is a faithful platform.

mod assumptions;
mod operations;

use std::path::PathBuf;
use std::time::Duration;

use larkspur_wire::TenantKey;
use serde::{Deserialize, Serialize};

pub use assumptions::{
    AckNotOk, AckWithoutBizRt, Assumptions, ErrorStatus, RetryBody, RetryConnection, RetryFrom, RetryMessageId,
    TimestampUnit, UnverifiedTypes, WithheldField,
};
pub use operations::{MetricsSettings, ShutdownSettings};

/// Everything that can be set, by table of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How events are pushed and pushed again.
    pub delivery: DeliverySettings,
    /// How persistent connections are run.
    pub sessions: SessionSettings,
    /// What a producer may publish.
    pub publish: PublishSettings,
    /// How apps are managed.
    pub apps: AppSettings,
    /// How the platform ends.
    pub shutdown: ShutdownSettings,
    /// What the platform shows of itself.
    pub metrics: MetricsSettings,
    /// How long the log is kept.
    pub retention: RetentionSettings,
    /// How fast the past is pushed again.
    pub again: AgainSettings,
    /// What we assume where Feishu's documentation is silent.
    pub assumptions: Assumptions,
}

/// How events are pushed and pushed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// Seconds to wait before each retry; when the list is used up the delivery is dead.
    pub retry_seconds: Vec<u64>,
    /// Milliseconds an app has to take one event, connecting included.
    pub push_timeout_ms: u64,
    /// Milliseconds of these that connecting to an endpoint may take.
    pub connect_timeout_ms: u64,
    /// Milliseconds an endpoint has to answer the challenge when its URL is saved.
    pub challenge_timeout_ms: u64,
    /// An endpoint's answer is read up to this many bytes.
    pub answer_bytes_max: usize,
    /// At most this many events are on their way to one app at once; fewer to one that does not answer.
    pub in_flight_per_app: usize,
    /// Whether endpoints of every app may lie in private address ranges.
    pub allow_private_addresses: bool,
    /// A file of certificates (PEM) to trust besides the public authorities, for endpoints with one of their own.
    pub root_certificates: Option<PathBuf>,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            retry_seconds: vec![15, 5 * 60, 60 * 60, 6 * 60 * 60],
            push_timeout_ms: 3_000,
            connect_timeout_ms: 2_000,
            challenge_timeout_ms: 1_000,
            answer_bytes_max: 64 * 1024,
            in_flight_per_app: 100,
            allow_private_addresses: false,
            root_certificates: None,
        }
    }
}

impl DeliverySettings {
    /// How long an app has to take one event.
    pub fn push_timeout(&self) -> Duration {
        Duration::from_millis(self.push_timeout_ms)
    }

    /// How long connecting to an endpoint may take.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long an endpoint has to answer the challenge.
    pub fn challenge_timeout(&self) -> Duration {
        Duration::from_millis(self.challenge_timeout_ms)
    }
}

/// How persistent connections are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// Live connections an app may have; the next one is refused.
    pub per_app_max: usize,
    /// How often a client tries to come back; negative means for ever.
    pub reconnect_count: i64,
    /// Seconds between a client's tries to come back.
    pub reconnect_interval_seconds: u32,
    /// Seconds within which a client spreads its first try to come back.
    pub reconnect_nonce_seconds: u32,
    /// Seconds between a client's pings; at least 1, since every official SDK floods the server at 0.
    pub ping_interval_seconds: u32,
    /// Milliseconds after the handshake before the first event is pushed, unless the client pings earlier.
    ///
    /// The Node SDK loses what arrives within about 5 ms of the handshake.
    pub first_push_delay_ms: u64,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            per_app_max: 50,
            reconnect_count: -1,
            reconnect_interval_seconds: 120,
            reconnect_nonce_seconds: 30,
            ping_interval_seconds: 120,
            first_push_delay_ms: 50,
        }
    }
}

/// What a producer may publish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishSettings {
    /// One event may be this large.
    pub event_bytes_max: usize,
    /// One request may carry this many events.
    pub batch_max: usize,
    /// One request's body may be this large.
    pub body_bytes_max: usize,
    /// The tenant of events that name none; without it such events are refused.
    pub default_tenant: Option<TenantKey>,
    /// Whether types that need a subscription to the resource are held to it.
    pub resource_subscriptions: bool,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            event_bytes_max: 8 * 1024 * 1024,
            batch_max: 1_000,
            body_bytes_max: 32 * 1024 * 1024,
            default_tenant: None,
            resource_subscriptions: false,
        }
    }
}

/// How apps are managed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// Whether every change is published at once instead of waiting for a version.
    pub publish_at_once: bool,
}

/// How long events, deliveries and attempts are kept. What is pending is never deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Days, counted from when an event was accepted.
    pub days: u32,
    /// While the store uses more bytes than this, the oldest settled events go before their time, dead deliveries
    /// excepted; none for no bound.
    pub bytes_max: Option<u64>,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            days: 30,
            bytes_max: None,
        }
    }
}

impl RetentionSettings {
    /// How old an event may become.
    pub fn age(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.days))
    }
}

/// How fast recoveries and replays push again what is in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgainSettings {
    /// Deliveries a second, all jobs together.
    pub per_second: u32,
}

impl Default for AgainSettings {
    fn default() -> Self {
        Self { per_second: 100 }
    }
}

/// A setting that no platform could run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is {found}, but {expected}")]
pub struct SettingsError {
    /// The table and key.
    pub path: &'static str,
    /// What was found.
    pub found: String,
    /// What would do.
    pub expected: &'static str,
}

impl Settings {
    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let refuse = |path, found: &dyn ToString, expected| {
            Err(SettingsError {
                path,
                found: found.to_string(),
                expected,
            })
        };
        if self.sessions.ping_interval_seconds == 0 {
            return refuse(
                "sessions.ping_interval_seconds",
                &0,
                "it must be at least 1: at 0 every SDK floods the server",
            );
        }
        if self.sessions.per_app_max == 0 {
            return refuse("sessions.per_app_max", &0, "it must be at least 1");
        }
        if self.delivery.in_flight_per_app == 0 {
            return refuse("delivery.in_flight_per_app", &0, "it must be at least 1");
        }
        if self.delivery.push_timeout_ms == 0 {
            return refuse("delivery.push_timeout_ms", &0, "it must be at least 1");
        }
        if self.metrics.apps_max > METRICS_APPS_MAX {
            return refuse(
                "metrics.apps_max",
                &self.metrics.apps_max,
                "it may be at most 1000: every app makes new time series",
            );
        }
        if self.delivery.retry_seconds.len() > RETRIES_MAX {
            let found = format!("{} entries long", self.delivery.retry_seconds.len());
            return refuse("delivery.retry_seconds", &found, "it may have at most 32 entries");
        }
        if !(1..=RETENTION_DAYS_MAX).contains(&self.retention.days) {
            let expected = "it must be 1 to 3650: the ladder of retries takes hours, and nobody reads what is older";
            return refuse("retention.days", &self.retention.days, expected);
        }
        if !(1..=AGAIN_PER_SECOND_MAX).contains(&self.again.per_second) {
            return refuse("again.per_second", &self.again.per_second, "it must be 1 to 10000");
        }
        if let Some(bytes_max) = self.retention.bytes_max.filter(|max| *max < RETENTION_BYTES_MIN) {
            let expected = "it must be at least 16777216: the store needs some room of its own";
            return refuse("retention.bytes_max", &bytes_max, expected);
        }
        if !(1..=larkspur_wire::FRAGMENT_BYTES_MAX).contains(&self.assumptions.fragment_bytes) {
            let found = self.assumptions.fragment_bytes;
            return refuse(
                "assumptions.fragment_bytes",
                &found,
                "it must be 1 to 524288: Python closes on frames over 1 MiB",
            );
        }
        Ok(())
    }
}

/// A ladder longer than this is a mistake in the configuration.
const RETRIES_MAX: usize = 32;
/// More labels than this burden every monitoring system.
const METRICS_APPS_MAX: usize = 1_000;
/// Ten years.
const RETENTION_DAYS_MAX: u32 = 3_650;
/// An empty store and what is on its way take a part of this.
const RETENTION_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Faster than this, the past would leave nothing for the present.
const AGAIN_PER_SECOND_MAX: u32 = 10_000;
