//! The audit log.

use super::evidence::days_long;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The log of what was done with the box and its pictures. It is always kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Days for which a record is kept at least; whole months are deleted.
    #[schemars(range(min = 180, max = 3650))]
    pub keep_days: u16,
}

impl AuditConfig {
    /// How long a record is kept at least.
    #[must_use]
    pub fn keep(&self) -> Duration {
        days_long(self.keep_days)
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_days: 180 }
    }
}
