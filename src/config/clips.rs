//! Clips: whether there are any, and of how long before and after.

use super::document::{Document, join};
use super::meaning::text;
use super::report::{Draft, Report};
use super::{Config, Disclosure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Clips of the time around the opening of an incident: redacted pictures in a row, at most one a second and at most 960 pixels wide or high, without sound. Never the
/// camera's own stream. Off by default: a clip shows more of what people do than a picture. Each costs some CPU time (`docs/privacy.md` has the figures), and each
/// camera holds the last `before_secs` seconds, and a second more, in memory: 0.8 MB for each second at 16:9. Only with `hub.disclosure: full` are there any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClipsConfig {
    /// Whether clips are made.
    pub enabled: bool,
    /// Seconds before the opening.
    #[schemars(range(max = 20))]
    pub before_secs: u8,
    /// Seconds after it; the clip comes after these.
    #[schemars(range(min = 1, max = 20))]
    pub after_secs: u8,
}

impl Default for ClipsConfig {
    fn default() -> Self {
        Self { enabled: false, before_secs: 5, after_secs: 5 }
    }
}

impl Config {
    /// How clips are made; none if there are none. What may not leave the box is not made.
    #[must_use]
    pub fn clips(&self) -> Option<ClipsConfig> {
        let clips = self.evidence.clips;
        (clips.enabled && self.hub.disclosure == Disclosure::Full).then_some(clips)
    }
}

/// Warns of clips that are wanted and will not be made.
pub(super) fn check(document: &Document, evidence: &str, report: &mut Report) {
    let enabled = join(&join(evidence, "clips"), "enabled");
    let is_wanted = document.get(&enabled) == Some(&Value::Bool(true));
    let disclosure = text(document, "/hub", "disclosure");
    if let (true, Some(disclosure @ ("none" | "limited"))) = (is_wanted, disclosure) {
        let problem = format!("has no effect with hub.disclosure: {disclosure}, at which no clip may leave");
        report.warning(Draft::at_value(enabled, problem));
    }
}
