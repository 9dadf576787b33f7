//! What an operator sets: how the platform ends, and what it shows of itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the platform ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Seconds within which what is under way may end: pushes, requests, writing down. What does not is pushed again
    /// after the next start.
    pub grace_seconds: u64,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { grace_seconds: 10 }
    }
}

impl ShutdownSettings {
    /// How long what is under way may take to end.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}

/// What the platform shows of itself to a monitoring system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Whether the metrics are shown without a token.
    pub public: bool,
    /// This many apps are shown by name, those with the most pending deliveries; the others together.
    pub apps_max: usize,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            public: false,
            apps_max: 50,
        }
    }
}
